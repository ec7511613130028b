"""Templates of trainings: begin one from what was kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from orrery.client.collection import Collection
from orrery.client.resources import Resource

if TYPE_CHECKING:
    from orrery.client.builtin import Training

#: fields that a training adds to the template's own rather than replaces
_MERGED = ("datasets", "parameters", "environment")


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A training's spec with changes laid over it: datasets, hyperparameters and environment variables one by one."""
    spec = {key: value for key, value in base.items() if value is not None}
    for field, value in changes.items():
        if value is not None:
            is_laid_over = field in _MERGED and field in spec
            spec[field] = {**spec[field], **cast("Mapping[str, Any]", value)} if is_laid_over else value
    return spec


class Template(Resource):
    """Settings of a training, kept to begin others from."""

    def train(self, name: str, *, description: str = "", tags: list[str] | None = None, **changes: Any) -> Training:
        """Begin a training with these settings and what `changes` says over them.

        Datasets, hyperparameters and environment variables are laid over the template's one by one; of other fields
        None leaves the template's.
        """
        document = {
            "name": name,
            "spec": merged(self.spec, changes),
            "description": description or None,
            "tags": list(self.tags) if tags is None else tags,
        }
        return self.client.trainings.create_from(document)


class Templates(Collection[Template]):
    """`client.templates`"""
