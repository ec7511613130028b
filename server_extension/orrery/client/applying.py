"""Making what is there as a file says: all of it is planned and checked before the first thing is done.

What a document does not say stays as it is. Nothing is ever deleted.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from orrery.client.manifests import Difference, Manifest, differences, names_in, with_ids
from orrery.client.paths import drop_path, look_up, set_path
from orrery.client.resources import Json, Resource
from orrery.client.secret_names import secret_names
from orrery.errors import Conflict, Invalid, NotFound, OrreryError

if TYPE_CHECKING:
    from orrery.client.client import Client
    from orrery.client.kinds import Kind

_DRY: Json = {"dry_run": "true"}


@dataclass
class Step:
    """What is to be done for one document."""

    manifest: Manifest
    does: Literal["create", "change", "nothing"]
    existing: Resource | None = None
    differences: list[Difference] = field(default_factory=list[Difference])
    #: what a change sends
    change: Json = field(default_factory=dict[str, Any])
    #: documents of the same file that are made before
    needs: list[Step] = field(default_factory=list["Step"])

    @property
    def label(self) -> str:
        return self.manifest.label


class PartlyApplied(Conflict):
    """Something failed after other things had been done."""

    code = "partly_applied"


def make_plan(client: Client, manifests: Sequence[Manifest]) -> list[Step]:
    """The steps in the order they can be done in, each checked by the platform as far as what it needs is there.

    Raises: Invalid with the field and the remedy.
    """
    seen: set[tuple[str, str | None, str]] = set()
    steps: list[Step] = []
    for manifest in manifests:
        kind = _kind_of(client, manifest)
        key = (kind.name, manifest.owner, manifest.name)
        if key in seen:
            raise _refused(manifest, "name", f"{manifest.label} is written twice; leave one away")
        seen.add(key)
        if not kind.creatable:
            message = f"a {kind.title.lower()} is made by the platform, not from a file"
            raise _refused(manifest, "kind", f"{message}; leave {manifest.label} away")
        steps.append(Step(manifest, "create", _find(client, manifest)))
    ordered = _in_order(client, steps)
    for step in ordered:
        if step.existing is None:
            _check_create(client, step)
        else:
            _compare(client, step, step.existing)
    return ordered


def _find(client: Client, manifest: Manifest) -> Resource | None:
    try:
        return client.kind(manifest.kind).get(f"{manifest.owner or client.user}/{manifest.name}")
    except NotFound:
        return None


def _names_of(client: Client, manifest: Manifest) -> set[str]:
    return {manifest.name, f"{manifest.owner or client.user}/{manifest.name}"}


def _first_path(error: OrreryError) -> str:
    """The field that it is about; "" where it names none."""
    fields = error.details.get("fields")
    first: Any = cast("list[Any]", fields)[0] if isinstance(fields, list) and fields else {}
    return str(first.get("path", ""))


def _in_order(client: Client, steps: list[Step]) -> list[Step]:
    """Those that others name come before them. Raises: Invalid for a circle."""
    by_name: dict[str, list[Step]] = {}
    for step in steps:
        for name in _names_of(client, step.manifest):
            by_name.setdefault(name, []).append(step)
    for step in steps:
        named = [other for name in sorted(names_in(step.manifest.spec)) for other in by_name.get(name, [])]
        step.needs = [other for other in named if other is not step and other.existing is None]
    ordered: list[Step] = []
    left = list(steps)
    while left:
        ready = [step for step in left if not any(needed in left for needed in step.needs)]
        if not ready:
            # a text may look like a name: the platform will say what is missing
            ready = left[:1]
        ordered += ready
        left = [step for step in left if step not in ready]
    return ordered


def _check_create(client: Client, step: Step) -> None:
    """Raises: what the platform has against it, but for the resources that are made before it."""
    plural = client.declaration(step.manifest.kind).plural
    coming = {name for needed in step.needs for name in _names_of(client, needed.manifest)}
    body: Json = json.loads(json.dumps(step.manifest.body))
    left_out: set[str] = set()
    while True:
        try:
            client.transport.json("POST", f"/{plural}", body=body, query=_DRY)
            return
        except Invalid as error:
            path = _first_path(error)
            if left_out and (path in left_out or not path):
                # it asks for what is still to come: all else was checked before it, or is when it is made
                _check_secrets(client, step)
                return
            if not names_in(look_up(body, path)) & coming:
                raise _told(step, error) from error
            left_out.add(path)
            drop_path(body, path)


def _check_secrets(client: Client, step: Step) -> None:
    """The platform looks for them last, and so not before what they are used with is there. Raises: Invalid."""
    schema = client.declaration(step.manifest.kind).spec_schema
    if schema.get("x-orrery-open"):
        return  # a template may name what is set later
    owner = step.manifest.owner or client.user
    coming = {needed.manifest.name for needed in step.needs if needed.manifest.kind == "secret"}
    for path, name in secret_names(step.manifest.spec, schema):
        if name in coming:
            continue
        try:
            client.secrets.get(f"{owner}/{name}")
        except NotFound as error:
            message = f"{owner} has no secret {name!r}; make it under Secrets, or by `orrery secret set {name}`"
            raise _told(step, Invalid(message, fields=[{"path": path, "message": message}])) from error


def _compare(client: Client, step: Step, existing: Resource) -> None:
    kind = client.declaration(step.manifest.kind)
    said = with_ids(step.manifest.spec, existing)
    # as the platform would store it: references resolved, defaults filled in; under a name that is nobody's
    body = {"name": f"check-{secrets.token_hex(8)}", "spec": {**_without_none(existing.spec), **said}}
    coming: dict[str, str] = {}
    document = {"spec": _ask(client, step, "POST", f"/{kind.plural}", body, coming)["spec"]}
    for path, name in coming.items():
        set_path(document, path, name)
    for name in said:
        step.differences += differences(existing.spec.get(name), document["spec"].get(name), f"spec.{name}")
    for name, value in step.manifest.envelope.items():
        step.differences += differences(existing.document.get(name), value, name)
    inside = [(found.path.split(".")[1], found) for found in step.differences if found.path.startswith("spec.")]
    fields = {field for field, _ in inside}
    fixed = [found for field, found in inside if f"spec.{field}" not in kind.mutable]
    if fixed:
        raise _refused(
            step.manifest,
            fixed[0].path,
            f"{step.label} is there, and {fixed[0]}: that cannot be changed of a {kind.title.lower()}; "
            "give the document another name, or leave the field as it is",
            fields=[{"path": found.path, "message": "cannot be changed"} for found in fixed],
        )
    step.does = "change" if step.differences else "nothing"
    step.change = {name: value for name, value in step.manifest.envelope.items()}
    step.change["spec"] = {name: said[name] for name in sorted(fields)}
    if step.does == "change":
        _ask(client, step, "PATCH", existing.path, step.change, {})


def _ask(client: Client, step: Step, method: str, path: str, body: Json, coming: dict[str, str]) -> Json:
    """What the platform would answer; where it names what is made before it, what stands there now is asked with.

    `coming` gets these names by their paths. Raises: what the platform has against the rest.
    """
    names = {name for needed in step.needs for name in _names_of(client, needed.manifest)}
    body = json.loads(json.dumps(body))
    while True:
        try:
            return client.transport.json(method, path, body=body, query=_DRY)
        except OrreryError as error:
            field = _first_path(error)
            given = look_up(body, field) if field else None
            if field in coming or not isinstance(given, str) or not names_in(given) & names:
                raise _told(step, error) from error
            coming[field] = given
            present = look_up(step.existing.document, field) if step.existing is not None else None
            if present is None:
                drop_path(body, field)
            else:
                set_path(body, field, present)


def _without_none(spec: Any) -> Json:
    return {name: value for name, value in spec.items() if value is not None}


def _kind_of(client: Client, manifest: Manifest) -> Kind:
    try:
        return client.declaration(manifest.kind)
    except NotFound as error:
        raise _refused(manifest, "kind", f"{manifest.name}: {error.message}") from error


def _refused(manifest: Manifest, path: str, message: str, **details: object) -> Invalid:
    line = manifest.line_of(path)
    return Invalid(f"line {line}: {message}" if line else message, **details, line=line)


def _told(step: Step, error: OrreryError) -> OrreryError:
    """The same error, saying of which document, and in which line of the file."""
    line = step.manifest.line_of(_first_path(error))
    place = f"line {line}: " if line else ""
    return type(error)(f"{place}{step.label}: {error.message}", **{**error.details, "line": line})


def carry_out(client: Client, steps: Sequence[Step], tell: Callable[[Step, Resource | None], None]) -> None:
    """Do them in order; before what needs another, that one has settled.

    Raises: PartlyApplied, when something failed that could not be foreseen.
    """
    made: dict[int, Resource] = {}
    done: list[str] = []
    for step in steps:
        try:
            for needed in step.needs:
                if id(needed) in made:
                    made[id(needed)].wait(progress=False)
            if step.does == "create":
                made[id(step)] = client.kind(step.manifest.kind).create_from(step.manifest.body)
            elif step.does == "change" and step.existing is not None:
                headers = {"If-Match": str(step.existing.document["etag"])}
                client.transport.json("PATCH", step.existing.path, body=step.change, headers=headers)
        except OrreryError as error:
            if not done:
                raise _told(step, error) from error
            raise PartlyApplied(
                f"{step.label}: {error.message}; done before it: {', '.join(done)}. Apply the file again once that is "
                "put right: what is as it says is left alone",
                **error.details,
            ) from error
        if step.does != "nothing":
            done.append(step.label)
        tell(step, made.get(id(step)))
