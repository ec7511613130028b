"""Rows for an endpoint: from a form's texts, from JSON, from a pasted table. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from orrery.errors import Invalid

Row = dict[str, Any]
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


#: these are sent as the bytes of a file
FILE_KINDS = frozenset({"image", "audio", "file"})


@dataclass(frozen=True)
class InputColumn:
    """One input of a model."""

    name: str
    kind: str
    nullable: bool = True
    categories: tuple[str, ...] = ()
    #: what was seen in training: `4.3 to 7.9`
    hint: str = ""


def read_columns(inputs: Sequence[Mapping[str, Any]]) -> tuple[InputColumn, ...]:
    return tuple(
        InputColumn(
            name=str(entry["name"]),
            kind=str(entry.get("kind") or "number"),
            nullable=bool(entry.get("nullable", True)),
            categories=tuple(str(one) for one in entry.get("categories") or ()),
            hint=_hint(entry),
        )
        for entry in inputs
    )


def _hint(entry: Mapping[str, Any]) -> str:
    low, high = entry.get("minimum"), entry.get("maximum")
    return f"{low:g} to {high:g}" if isinstance(low, int | float) and isinstance(high, int | float) else ""


def named_row(row: Any, columns: Sequence[InputColumn]) -> Row:
    """A row by column name, also where it is a list in the model's order."""
    if isinstance(row, Mapping):
        return dict(cast("Mapping[str, Any]", row))
    if isinstance(row, list):
        return {column.name: value for column, value in zip(columns, cast("list[Any]", row), strict=False)}
    return {}


def read_value(text: str, column: InputColumn) -> Any:
    """Empty text is a missing value. Raises: Invalid for text where a number is wanted."""
    text = text.strip()
    if not text:
        return None
    if column.kind in ("category", "text"):
        return text
    if column.kind in FILE_KINDS:
        return {"b64": text}
    if column.kind == "series":
        return _series(text, column)
    if column.kind == "boolean":
        if text.lower() not in _TRUTH:
            raise Invalid(f"{column.name} is {text!r}; write true or false")
        return _TRUTH[text.lower()]
    try:
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError:
        raise Invalid(f"{column.name} is {text!r}; write a number") from None


def write_value(value: Any, column: InputColumn) -> str:
    """A value of the model's example as `read_value` reads it."""
    if value is None:
        return ""
    if column.kind in FILE_KINDS:
        return str(cast("Mapping[str, Any]", value).get("b64") or "") if isinstance(value, Mapping) else str(value)
    if column.kind == "series" and isinstance(value, list):
        return ", ".join(str(one) for one in cast("list[Any]", value))
    return str(value)


def _series(text: str, column: InputColumn) -> list[float]:
    words = text.strip("[]").replace(",", " ").split()
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise Invalid(f"{column.name}: {error}; write numbers, separated by commas, blanks or new lines") from None


def read_json(text: str) -> list[Any]:
    """`{"instances": [...]}`, a list of rows, or one row. Raises: Invalid."""
    try:
        document: Any = json.loads(text)
    except ValueError as error:
        raise Invalid(f"this is no JSON: {error}") from None
    if isinstance(document, Mapping):
        named = cast("Mapping[str, Any]", document)
        document = named["instances"] if "instances" in named else [dict(named)]
    if not isinstance(document, list) or not document:
        raise Invalid('write {"instances": [...]} with one row or more')
    return cast("list[Any]", document)


def read_table(text: str, columns: Sequence[InputColumn]) -> list[Row]:
    """Rows by their header, separated by tabs where the first line has one, else by commas. Raises: Invalid."""
    lines = text.strip("\r\n")
    if not lines:
        raise Invalid("the table is empty; paste a header and one row or more")
    separator = "\t" if "\t" in lines.splitlines()[0] else ","
    header, *body = list(csv.reader(io.StringIO(lines), delimiter=separator))
    names = [name.strip() for name in header]
    if not body:
        raise Invalid(f"the table has a header ({', '.join(names[:4])}…) and no rows; paste the rows as well")
    known = {column.name: column for column in columns}
    rows: list[Row] = []
    for number, cells in enumerate(body, start=2):
        if len(cells) != len(names):
            raise Invalid(f"line {number} of the table has {len(cells)} values; its header has {len(names)}")
        # a column that the model does not know is sent as it is: the platform's refusal names the nearest
        rows.append(
            {
                name: read_value(cell, known.get(name, InputColumn(name, "category")))
                for name, cell in zip(names, cells, strict=True)
            }
        )
    return rows


def write_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[InputColumn]) -> str:
    """Comma-separated, with a header."""
    names = [column.name for column in columns]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow(["" if row.get(name) is None else row[name] for name in names])
    return text.getvalue()
