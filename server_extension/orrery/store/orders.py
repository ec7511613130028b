"""What a list may be ordered by, and the cursors that lead from page to page.

An order is a field (`-created_at`), or a value inside the documents: `metric.NAME`, `parameter.NAME`. These have values
of any type: numbers come first, then texts, then those without a value, whichever way up.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Float, String, and_, case, cast, func, literal, or_
from sqlalchemy.dialects.postgresql import JSON

from orrery.domain.records import Json, Record
from orrery.errors import Invalid
from orrery.store import tables

#: by a column of the table
ORDERS: Final = {
    "created_at": tables.resources.c.created_at,
    "updated_at": tables.resources.c.updated_at,
    "name": tables.resources.c.name,
    "phase": tables.resources.c.phase,
    "owner": tables.resources.c.owner,
}
METRIC: Final = "metric."
PARAMETER: Final = "parameter."

_NUMBER, _TEXT, _NONE = 0, 1, 2


@dataclass(frozen=True)
class Key:
    """One of the values that rows are compared by; the later ones decide among equals."""

    column: ColumnElement[Any]
    is_descending: bool


def make_keys(order: str, *, is_sqlite: bool) -> list[Key]:
    """What rows are ordered by, their ids last, so that no two are equal.

    Raises: Invalid for an unknown order.
    """
    field, is_descending = _read(order)
    row_id = Key(tables.resources.c.id, is_descending)
    if field.startswith((METRIC, PARAMETER)):
        rank, number, text = _inside(field, is_sqlite=is_sqlite)
        return [Key(rank, False), Key(number, is_descending), Key(text, is_descending), row_id]
    column = ORDERS.get(field)
    if column is None:
        raise Invalid(
            f"order {order!r} is unknown; use one of {', '.join(ORDERS)}, {METRIC}NAME, {PARAMETER}NAME, "
            "with '-' before it for descending"
        )
    return [Key(column, is_descending), row_id]


def beyond(keys: list[Key], values: list[Any]) -> ColumnElement[bool]:
    """Rows that come after the one with these values."""
    found: list[ColumnElement[bool]] = []
    for place, (key, value) in enumerate(zip(keys, values, strict=True)):
        equals = [other.column == known for other, known in zip(keys[:place], values[:place], strict=True)]
        found.append(and_(*equals, key.column < value if key.is_descending else key.column > value))
    return or_(*found)


def make_cursor(order: str, last: Record) -> str:
    """Where the page after `last` begins."""
    field, _ = _read(order)
    if field.startswith((METRIC, PARAMETER)):
        values = list(_split(_value_inside(field, last)))
    else:
        value = getattr(last, field)
        values = [tables.to_microseconds(value) if isinstance(value, datetime) else value]
    return base64.urlsafe_b64encode(json.dumps([order, *values, last.id]).encode()).decode().rstrip("=")


def read_cursor(cursor: str, order: str, length: int) -> list[Any]:
    """The `length` values that the page begins after. Raises: Invalid where the cursor is of another list."""
    try:
        written, *values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError) as error:
        raise Invalid(f"cursor {cursor!r} was not given by this list; begin again without one") from error
    if written != order or len(values) != length or not isinstance(values[-1], str):
        raise Invalid(f"cursor {cursor!r} belongs to order {written!r}, not {order!r}; begin again without one")
    column = ORDERS.get(_read(order)[0])
    if column is not None and isinstance(column.type, tables.Moment):
        return [tables.from_microseconds(values[0]), *values[1:]]
    return values


def _read(order: str) -> tuple[str, bool]:
    return order.lstrip("-+"), order.startswith("-")


def _inside(field: str, *, is_sqlite: bool) -> tuple[ColumnElement[int], ColumnElement[float], ColumnElement[str]]:
    """The rank of a value in a document, its number and its text; each is something for every row."""
    folder, name = _place(field)
    r = tables.resources.c
    document = r.outputs if field.startswith(METRIC) else r.spec
    if is_sqlite:
        path = f'$.{folder}."{name}"'
        type_ = func.json_type(document, path, type_=String)
        value: ColumnElement[Any] = func.json_extract(document, path)
        numbers, texts = ["integer", "real"], ["text"]
        truth = type_.in_(["true", "false"])
        truth_text: ColumnElement[str] = type_
    else:
        entry = cast(cast(document, String), JSON)[folder][name]
        type_ = func.json_typeof(entry, type_=String)
        value = entry.astext
        numbers, texts = ["number"], ["string"]
        truth = type_ == "boolean"
        truth_text = value
    rank = case((type_.in_(numbers), _NUMBER), (or_(type_.in_(texts), truth), _TEXT), else_=_NONE)
    number = case((type_.in_(numbers), cast(value, Float)), else_=literal(0.0))
    text = case((type_.in_(texts), cast(value, String)), (truth, truth_text), else_=literal(""))
    return rank, number, text


def _place(field: str) -> tuple[str, str]:
    prefix = METRIC if field.startswith(METRIC) else PARAMETER
    name = field.removeprefix(prefix)
    if not name or '"' in name or "\0" in name:
        raise Invalid(f"order {field!r} names no {prefix[:-1]}; write {prefix}NAME, without a double quote in it")
    return ("metrics" if prefix == METRIC else "parameters"), name


def _value_inside(field: str, record: Record) -> Any:
    folder, name = _place(field)
    document = record.outputs if field.startswith(METRIC) else record.spec
    values: Json = document.get(folder) or {}
    return values.get(name)


def _split(value: Any) -> tuple[int, float, str]:
    """As `_inside` reads it in the database."""
    if isinstance(value, bool):
        return _TEXT, 0.0, "true" if value else "false"
    if isinstance(value, int | float):
        return _NUMBER, float(value), ""
    if isinstance(value, str):
        return _TEXT, 0.0, value
    return _NONE, 0.0, ""
