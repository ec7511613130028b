"""Templates of trainings: begin one from what was kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from orrery.client.collection import Collection
from orrery.client.paths import set_path
from orrery.client.resources import Resource

if TYPE_CHECKING:
    from orrery.client.builtin import Training
    from orrery.client.tunings import Tuning

#: fields that a training adds to the template's own rather than replaces
_MERGED = ("datasets", "parameters", "environment")
#: fields that a tuning does not have
_OF_TRAININGS = ("checkpoint_from", "register_model", "model_name", "trial", "meanwhile_of", "workflow")


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A training's spec with changes laid over it: datasets, hyperparameters and environment variables one by one."""
    spec = {key: value for key, value in base.items() if value is not None}
    for field, value in changes.items():
        if value is not None:
            is_laid_over = field in _MERGED and field in spec
            spec[field] = {**spec[field], **cast("Mapping[str, Any]", value)} if is_laid_over else value
    return spec


def tuning_settings(
    template: Mapping[str, Any], space: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """What a template says to `tunings.create`, with changes laid over it.

    What is searched is no longer fixed by the template; what the changes fix is, and is refused when both are asked.
    """
    known = {field: value for field, value in template.items() if field not in _OF_TRAININGS}
    fixed: Mapping[str, Any] = known.get("parameters") or {}
    known["parameters"] = {key: value for key, value in fixed.items() if key not in space}
    return merged(known, changes)


def from_template(template: Mapping[str, Any], space: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `trainings.create` (`tunings.create`, where there is a `space`), with what is `given` over the
    template's; `dataset`, `validation`, `test` and `target` are among the datasets and parameters."""
    options = {name: value for name, value in given.items() if value is not None}
    known = {"train": options.pop("dataset", None)}
    known |= {name: options.pop(name, None) for name in ("validation", "test")}
    datasets = {**{name: value for name, value in known.items() if value is not None}, **options.pop("datasets", {})}
    target = options.pop("target", None)
    parameters = {**({"target": target} if target is not None else {}), **options.pop("parameters", {})}
    changes = {**options, "datasets": datasets, "parameters": parameters}
    if space:
        return tuning_settings(template, space, changes)
    made = ("trial", "meanwhile_of", "workflow")
    return merged({name: value for name, value in template.items() if name not in made}, changes)


class Template(Resource):
    """Settings of a training, kept to begin others from."""

    @property
    def settings(self) -> dict[str, Any]:
        """Its spec, with names in the place of ids: whoever may not use what it names is told of it by its name."""
        named: dict[str, Any] = json.loads(json.dumps(dict(self.spec)))
        for reference in self.document.get("references") or ():
            if not reference.get("deleted"):
                version = f"@{reference['version']}" if reference.get("version") else ""
                set_path(named, reference["path"], f"{reference['owner']}/{reference['name']}{version}")
        return named

    def train(self, name: str, *, description: str = "", tags: list[str] | None = None, **changes: Any) -> Training:
        """Begin a training with these settings and what `changes` says over them.

        Datasets, hyperparameters and environment variables are laid over the template's one by one; of other fields
        None leaves the template's.
        """
        document = {
            "name": name,
            "spec": merged(self.settings, changes),
            "description": description or None,
            "tags": list(self.tags) if tags is None else tags,
        }
        return self.client.trainings.create_from(document)

    def tune(
        self,
        name: str,
        *,
        space: Mapping[str, str | Mapping[str, Any] | Sequence[Any]],
        objective: str | Sequence[str],
        **changes: Any,
    ) -> Tuning:
        """Begin a tuning of trainings with these settings; `changes` (those of `tunings.create`) go over them.

        What `space` searches is no longer fixed.
        """
        settings = tuning_settings(self.settings, space, changes)
        return self.client.tunings.create(name, space=space, objective=objective, **settings)


class Templates(Collection[Template]):
    """`client.templates`"""
