"""`client.apply`: what is there as documents say, for programs; `orrery apply` does the same."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from orrery.client.resources import Resource
from orrery.errors import Invalid

if TYPE_CHECKING:
    from orrery.client.client import Client
    from orrery.client.manifests import Manifest

Documents = str | os.PathLike[str] | Mapping[str, Any] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Applied:
    """What was done for one document, or would be; printed, it is one sentence."""

    kind: str
    name: str
    does: Literal["create", "change", "nothing"]
    #: what a change changes: `spec.instance_type: "cpu-small" -> "cpu-medium"`
    differences: tuple[str, ...]
    #: what is there now; None of a dry run that would create it
    resource: Resource | None

    def __str__(self) -> str:
        words = {"create": "created", "change": "changed", "nothing": "as it should be"}
        return f"{self.kind} {self.name}: {words[self.does]}{''.join(f'; {one}' for one in self.differences)}"


def apply(client: Client, source: Documents, *, dry_run: bool = False) -> list[Applied]:
    """See `Client.apply`."""
    from orrery.client.applying import Step, carry_out, make_plan
    from orrery.client.manifest_files import send_files

    # files are sent for a dry run as well: what nothing holds is removed by and by
    steps = make_plan(client, send_files(client, *_read(source)))
    made: dict[int, Resource | None] = {}

    def keep(step: Step, resource: Resource | None) -> None:
        made[id(step)] = resource

    if not dry_run:
        carry_out(client, steps, keep)
    found: list[Applied] = []
    for step in steps:
        existing = step.existing.refresh() if step.existing is not None and not dry_run else step.existing
        said = tuple(str(one) for one in step.differences)
        resource = existing or made.get(id(step))
        found.append(Applied(step.manifest.kind, step.manifest.name, step.does, said, resource))
    return found


def _read(source: Documents) -> tuple[list[Manifest], Path | None]:
    """The documents, and the folder that they lie in. Raises: Invalid."""
    from orrery.client.manifests import MAX_BYTES, read_manifests

    if isinstance(source, str | os.PathLike):
        try:
            path = Path(source).expanduser()
            with path.open("rb") as stream:
                return read_manifests(stream.read(MAX_BYTES + 1), str(source)), path.parent
        except OSError as error:
            raise Invalid(f"{str(source)!r} cannot be read: {error.strerror}") from error
    documents = [source] if isinstance(source, Mapping) else list(source)
    try:
        texts = [json.dumps(document).encode() for document in documents]
    except TypeError as error:
        raise Invalid(f"a document holds what JSON cannot say: {error}") from error
    return [one for text in texts for one in read_manifests(text, "the document")], None
