"""Resources as text: what `orrery export` writes and `orrery apply` reads. Pure.

    apiVersion: orrery/v1
    kind: training
    name: breast-1
    spec:
      algorithm: orrery/xgboost
      datasets: {train: breast@1}

Resources are named, not given by id. A file is not to be trusted: its size, its nesting and what its aliases unfold to
are bounded, no tag makes an object, and a key that is written twice is refused.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import yaml

from orrery.client.paths import look_up, set_path
from orrery.client.resources import Json, Resource
from orrery.errors import Invalid, TooLarge
from orrery.plain_json import check_plain

if TYPE_CHECKING:
    from orrery.client.kinds import Kind

API_VERSION: Final = "orrery/v1"
MAX_BYTES: Final = 1 << 20
#: values in all, aliases unfolded
MAX_VALUES: Final = 50_000
MAX_DEPTH: Final = 30
_FIELDS: Final = ("apiVersion", "kind", "name", "owner", "description", "visibility", "group", "tags", "spec")
_ENVELOPE: Final = ("description", "visibility", "group", "tags")


@dataclass(frozen=True)
class Manifest:
    """One document: what somebody wants to be there."""

    kind: str
    name: str
    owner: str | None
    #: the fields outside the spec that are said
    envelope: Json = field(default_factory=dict[str, Any])
    spec: Json = field(default_factory=dict[str, Any])
    #: where its fields are written, `spec.parameters.rounds` among them; lines count from 1 through the whole file
    lines: Mapping[str, int] = field(default_factory=dict[str, int], compare=False, repr=False)

    def line_of(self, path: str = "") -> int | None:
        """The line of a field, or of what it would be in. None: it was not read from a file."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines.get(path)

    @property
    def label(self) -> str:
        return f"{self.kind} {f'{self.owner}/' if self.owner else ''}{self.name}"

    @property
    def body(self) -> Json:
        """The create request."""
        owner = {"owner": self.owner} if self.owner else {}
        return {"name": self.name, **owner, **self.envelope, "spec": self.spec}


class _Loader(yaml.SafeLoader):
    """Times stay text, for the API speaks JSON; and no key is written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is no text", key.start_mark)
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is written twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_manifests(text: bytes, name: str = "the file") -> list[Manifest]:
    """The documents of a YAML or JSON text. Raises: Invalid, TooLarge."""
    if len(text) > MAX_BYTES:
        raise TooLarge(f"{name} has {len(text):,} bytes; at most {MAX_BYTES:,} are read: split it into several files")
    try:
        nodes: list[yaml.Node] = []
        for node in cast("Iterator[yaml.Node]", yaml.compose_all(text, _Loader)):  # pyright: ignore[reportUnknownMemberType]
            _check_size(node, name)
            nodes.append(node)
        documents: list[Any] = list(yaml.load_all(text, _Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        place = f"line {line}: " if line else ""
        raise Invalid(
            f"{name} is neither YAML nor JSON that can be read: {place}{error.problem or error.context}", line=line
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Invalid(f"{name} is neither YAML nor JSON that can be read: {error}") from error
    found = [(document, node) for document, node in zip(documents, nodes, strict=True) if document is not None]
    if not found:
        raise Invalid(f"{name} is empty; write kind, name and spec of a resource")
    return [_read(document, node, name) for document, node in found]


def _check_size(node: yaml.Node, name: str) -> None:
    """Counts each node once, however often aliases name it, so that counting what unfolds costs nothing."""
    counted: dict[int, int] = {}

    def count(part: yaml.Node, depth: int) -> int:
        if depth > MAX_DEPTH:
            raise Invalid(f"{name} is nested more than {MAX_DEPTH} deep, or an alias names what it is in; write it out")
        if id(part) in counted:
            return counted[id(part)]
        children: list[yaml.Node] = []
        if isinstance(part, yaml.MappingNode):
            children = [child for pair in part.value for child in pair]
        elif isinstance(part, yaml.SequenceNode):
            children = part.value
        size = 1
        for child in children:
            size += count(child, depth + 1)
            if size > MAX_VALUES:
                raise Invalid(f"{name} unfolds to more than {MAX_VALUES:,} values; use fewer aliases")
        counted[id(part)] = size
        return size

    count(node, 0)


def _lines_of(document: yaml.Node) -> dict[str, int]:
    """The line of every field, from 1, by its dotted path; that of the whole under ""."""
    found: dict[str, int] = {}

    def walk(node: yaml.Node, path: str, line: int) -> None:
        found[path] = line
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                walk(value, f"{path}.{key.value}" if path else str(key.value), key.start_mark.line + 1)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                walk(value, f"{path}.{index}" if path else str(index), value.start_mark.line + 1)

    walk(document, "", document.start_mark.line + 1)
    return found


def _as_written(document: yaml.Node, field: str) -> str:
    """The text of a field of the document, before YAML made a value of it; "" for what is no such text."""
    pairs: list[tuple[yaml.Node, yaml.Node]] = document.value if isinstance(document, yaml.MappingNode) else []
    found = (value.value for key, value in pairs if key.value == field and isinstance(value, yaml.ScalarNode))
    return str(next(found, ""))


def _no_text(field: str, value: Any, written: str) -> str:
    """What is wrong with a field that is to be text, and is something else."""
    if not written or not isinstance(value, bool | int | float):
        return f"it does not say its {field}; write {field}: and a text"
    what = f"true or false (here {str(value).lower()})" if isinstance(value, bool) else "a number"
    return f"its {field} is {written}, which YAML reads as {what}; put it in quotes: {field}: '{written}'"


def _foreign(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """What YAML's tags make that JSON does not have (`!!binary`, `!!set`), with where it stands."""
    if isinstance(value, Mapping):
        for name, part in cast("Mapping[Any, Any]", value).items():
            yield from _foreign(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for index, part in enumerate(cast("list[Any]", value)):
            yield from _foreign(part, f"{path}.{index}")
    elif value is not None and not isinstance(value, str | int | float):
        yield path, value


def _read(document: Any, node: yaml.Node, name: str) -> Manifest:
    lines = _lines_of(node)

    def refuse(path: str, message: str) -> Invalid:
        line = lines.get(path, lines[""])
        return Invalid(f"{name}, line {line}: {message}", line=line)

    if not isinstance(document, dict):
        raise refuse("", f"{document!r} is no resource; a resource is a mapping with kind, name and spec")
    content = cast("dict[str, Any]", document)
    version = content.get("apiVersion", API_VERSION)
    if version != API_VERSION:
        raise refuse("apiVersion", f"apiVersion is {version!r}; this client knows {API_VERSION!r}")
    for key in content:
        if key not in _FIELDS:
            near = difflib.get_close_matches(str(key), _FIELDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it may have {', '.join(_FIELDS)}"
            raise refuse(str(key), f"a field {key!r} that means nothing here{hint}")
    for key in ("kind", "name"):
        if not isinstance(content.get(key), str):
            raise refuse(key, _no_text(key, content.get(key), _as_written(node, key)))
    spec: Any = content.get("spec") or {}
    if not isinstance(spec, dict):
        raise refuse("spec", f"spec is {spec!r}; it is a mapping")
    try:
        check_plain(content)
    except Invalid as error:
        raise refuse(cast("Any", error.details["fields"])[0]["path"], error.message) from error
    for path, value in _foreign(content, ""):
        raise refuse(path, f"{path} is {type(value).__name__}, which JSON does not have; write a text")
    envelope = {key: content[key] for key in _ENVELOPE if content.get(key) is not None}
    return Manifest(content["kind"], content["name"], content.get("owner"), envelope, cast("Json", spec), lines)


# --- writing ---


def export(resource: Resource) -> Json:
    """The document that makes this resource anew, with names in the place of ids."""
    spec: Json = json.loads(json.dumps(dict(resource.spec)))
    for reference in resource.document.get("references") or ():
        own = reference["owner"] == resource.owner
        version = f"@{reference['version']}" if reference.get("version") else ""
        set_path(spec, reference["path"], f"{'' if own else reference['owner'] + '/'}{reference['name']}{version}")
    return make_document(resource.client.declaration(resource.kind), resource.name, resource.document, spec)


def make_document(kind: Kind, name: str, envelope: Mapping[str, Any], spec: Mapping[str, Any]) -> Json:
    """A document of what is said: the fields outside the spec and inside it, without what is empty.

    What the platform fills in by itself is left out: it is in no schema.
    """
    said = {key: envelope[key] for key in _ENVELOPE if envelope.get(key) and envelope[key] != "private"}
    asked: Json = kind.spec_schema["properties"]
    kept = {key: value for key, value in spec.items() if key in asked and value not in (None, {}, [])}
    return {"apiVersion": API_VERSION, "kind": kind.name, "name": name, **said, "spec": kept}


def write_manifests(documents: list[Json]) -> str:
    return "---\n".join(
        yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True) for document in documents
    )


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stand as they are, so that code can be read."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)  # pyright: ignore[reportUnknownMemberType]


_Dumper.add_representer(str, _represent_text)


# --- comparing ---


@dataclass(frozen=True)
class Difference:
    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.path}: {_short(self.before)} -> {_short(self.after)}"


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def differences(before: Any, after: Any, path: str) -> list[Difference]:
    """What differs, as deep inside as mappings go. None and what is not there are the same."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        old, new = cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", after)
        return [found for key in {**old, **new} for found in differences(old.get(key), new.get(key), f"{path}.{key}")]
    return [] if before == after else [Difference(path, before, after)]


def with_ids(spec: Json, existing: Resource) -> Json:
    """The spec, with the id wherever it names what the existing resource refers to at that place.

    A name without a version means the version that is pinned, so that the same file may be applied again.
    """
    found: Json = json.loads(json.dumps(spec))
    for reference in existing.document.get("references") or ():
        given = look_up(found, reference["path"])
        name, full = reference["name"], f"{reference['owner']}/{reference['name']}"
        version = f"@{reference['version']}" if reference.get("version") else ""
        if given in {name, full, f"{name}{version}", f"{full}{version}"}:
            set_path(found, reference["path"], reference["id"])
    return found


def names_in(value: Any) -> set[str]:
    """Every text in it that may name a resource, without its version."""
    if isinstance(value, str):
        return {value.partition("@")[0]}
    parts: list[Any] = []
    if isinstance(value, Mapping):
        parts = list(cast("Mapping[str, Any]", value).values())
    elif isinstance(value, list):
        parts = cast("list[Any]", value)
    return set[str]().union(*map(names_in, parts))
