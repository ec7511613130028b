"""References as data: which fields of a spec name other resources, found from the types alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


@dataclass(frozen=True)
class RefTo:
    """Marks a string as a reference to a resource of `kind`: an id, `name`, `owner/name` or `owner/name@version`."""

    kind: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        result = handler(schema)
        result["x-orrery-ref"] = self.kind
        return result


@dataclass(frozen=True)
class NameOf:
    """Marks a string as the name of one's own resource of `kind`, looked up when it is used: no edge of the graph."""

    kind: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        result = handler(schema)
        result["x-orrery-name-of"] = self.kind
        return result


DatasetRef = Annotated[str, RefTo("dataset")]
DatasetVersionRef = Annotated[str, RefTo("dataset-version")]
ExperimentRef = Annotated[str, RefTo("experiment")]
AlgorithmRef = Annotated[str, RefTo("algorithm")]
TrainingRef = Annotated[str, RefTo("training")]
TuningRef = Annotated[str, RefTo("tuning")]
TemplateRef = Annotated[str, RefTo("template")]
WorkflowRef = Annotated[str, RefTo("workflow")]
ModelRef = Annotated[str, RefTo("model")]
EndpointRef = Annotated[str, RefTo("endpoint")]
ImageRef = Annotated[str, RefTo("image")]
SecretName = Annotated[str, NameOf("secret")]
RegistryAccountRef = Annotated[str, RefTo("registry-account")]


@dataclass(frozen=True)
class Named:
    """One reference found in a spec: where, to what kind, and how it was written."""

    path: str
    kind: str
    value: str


def _marker(annotation: Any) -> RefTo | None:
    """The RefTo inside an annotation, through Annotated and Optional."""
    if get_origin(annotation) is Annotated:
        for metadata in get_args(annotation)[1:]:
            if isinstance(metadata, RefTo):
                return metadata
    for argument in get_args(annotation):
        if argument is not type(None) and (found := _marker(argument)) is not None:
            return found
    return None


def _children(model: BaseModel) -> Iterator[tuple[str, Any, RefTo | None]]:
    for name, info in type(model).model_fields.items():
        marker = next((entry for entry in info.metadata if isinstance(entry, RefTo)), None) or _marker(info.annotation)
        yield name, getattr(model, name), marker


def named_references(model: BaseModel, prefix: str = "") -> list[Named]:
    """Every reference in `model`, depth first; list items and dict entries get their index or key in the path."""
    found: list[Named] = []
    for name, value, marker in _children(model):
        found.extend(_named(f"{prefix}{name}", value, marker))
    return found


def _named(path: str, value: Any, marker: RefTo | None) -> list[Named]:
    if value is None:
        return []
    if isinstance(value, BaseModel):
        return named_references(value, f"{path}.")
    if isinstance(value, dict):
        return [named for key, item in value.items() for named in _named(f"{path}.{key}", item, marker)]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [named for index, item in enumerate(value) for named in _named(f"{path}.{index}", item, marker)]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    return [Named(path, marker.kind, value)] if marker is not None and isinstance(value, str) else []


def replace_references(document: dict[str, Any], resolved: dict[str, str]) -> dict[str, Any]:
    """A copy of a spec's JSON with each path in `resolved` replaced by the id it was resolved to."""

    def walk(value: Any, path: str) -> Any:
        if path in resolved:
            return resolved[path]
        join: Callable[[object], str] = lambda key: f"{path}.{key}" if path else str(key)  # noqa: E731
        if isinstance(value, dict):
            return {key: walk(item, join(key)) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        if isinstance(value, list):
            return [walk(item, join(index)) for index, item in enumerate(value)]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        return value

    return walk(document, "")


@dataclass(frozen=True)
class Locator:
    """A reference as written: an id, or a name with its owner and version where they were given."""

    id: str | None = None
    owner: str | None = None
    name: str = ""
    #: None: the latest
    version: int | None = None


def parse_reference(text: str) -> Locator:
    """Raises: Invalid for a text that is neither an id nor `[owner/]name[@version]`."""
    from orrery.domain.ids import is_id
    from orrery.errors import Invalid

    if is_id(text):
        return Locator(id=text)
    head, at, version = text.partition("@")
    owner, slash, name = head.rpartition("/")
    if at and not (version.isdecimal() and int(version) > 0):
        raise Invalid(f"{text!r}: the version after '@' is a whole number from 1, not {version!r}")
    if not name or (slash and not owner) or "/" in owner:
        raise Invalid(f"{text!r} is no reference: write an id, 'name', 'owner/name' or 'owner/name@version'")
    return Locator(owner=owner or None, name=name, version=int(version) if at else None)
