"""From an algorithm's JSON schema of parameters to the fields of a form. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

FieldKind = Literal[
    "integer", "number", "text", "boolean", "choice", "column", "columns", "duration", "moment", "pairs", "json"
]

#: the heading of fields that name none
OTHER: Final = "Parameters"


@dataclass(frozen=True)
class FormField:
    """One parameter as a form shows it."""

    name: str
    title: str
    kind: FieldKind
    help: str = ""
    group: str = OTHER
    default: Any = None
    has_default: bool = False
    choices: tuple[Any, ...] = ()
    #: what may be entered, in words: `1 to 20`
    bounds: str = ""
    #: may be left empty, which is sent as null
    optional: bool = False

    @property
    def required(self) -> bool:
        return not self.has_default

    def is_default(self, value: Any) -> bool:
        """Whether it need not be sent. True is not 1 here, and 1 is 1.0."""
        if not self.has_default or isinstance(value, bool) != isinstance(self.default, bool):
            return False
        return value == self.default


def read_fields(schema: Mapping[str, Any]) -> tuple[FormField, ...]:
    """In the schema's order."""
    properties = cast("Mapping[str, Mapping[str, Any]]", schema.get("properties") or {})
    return tuple(_read(name, entry) for name, entry in properties.items())


def group_fields(fields: tuple[FormField, ...]) -> dict[str, list[FormField]]:
    """Fields under their headings, both in the order in which they first come."""
    groups: dict[str, list[FormField]] = {}
    for field in fields:
        groups.setdefault(field.group, []).append(field)
    return groups


def _read(name: str, entry: Mapping[str, Any]) -> FormField:
    kinds, optional = _types(entry)
    return FormField(
        name=name,
        title=_title(name, entry),
        kind=_kind(entry, kinds),
        help=str(entry.get("description") or ""),
        group=str(entry.get("x-orrery-group") or OTHER),
        default=entry.get("default"),
        has_default="default" in entry or bool(entry.get("x-orrery-default-unknown")),
        choices=tuple(entry.get("enum") or ()),
        bounds=describe_bounds(entry),
        optional=optional,
    )


def _title(name: str, entry: Mapping[str, Any]) -> str:
    """The declared title; one that was made of the name is written as a sentence: `Max trials`."""
    made = name.replace("_", " ")
    title = str(entry.get("title") or name)
    return made[:1].upper() + made[1:] if title == made.title() else title


def _types(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    """The types without null, and whether null is one of them."""
    stated: Any = entry.get("type")
    if stated is None and "anyOf" in entry:
        stated = [branch.get("type") for branch in cast("list[Mapping[str, Any]]", entry["anyOf"])]
    names = [str(one) for one in cast("list[Any]", stated if isinstance(stated, list) else [stated]) if one]
    return tuple(name for name in names if name != "null"), "null" in names


def _kind(entry: Mapping[str, Any], types: tuple[str, ...]) -> FieldKind:
    if entry.get("x-orrery-column"):
        return "column"
    items: Any = entry.get("items")
    if isinstance(items, Mapping) and cast("Mapping[str, Any]", items).get("x-orrery-column"):
        return "columns"
    if entry.get("enum"):
        return "choice"
    known: Mapping[str, FieldKind] = {
        "integer": "integer",
        "number": "number",
        "string": "text",
        "boolean": "boolean",
    }
    return known.get(types[0], "json") if len(types) == 1 else "json"


def describe_bounds(entry: Mapping[str, Any]) -> str:
    """`1 to 20`, `above 0, at most 1`, `at least 0`; empty where there are none."""
    low, above = entry.get("minimum"), entry.get("exclusiveMinimum")
    high, below = entry.get("maximum"), entry.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{_number(low)} to {_number(high)}"
    words = (
        ("above", above),
        ("at least", low),
        ("at most", high),
        ("below", below),
    )
    return ", ".join(f"{word} {_number(value)}" for word, value in words if value is not None)


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
