"""From what clients send to the arrays a runtime takes, with refusals that name the row, the column and the remedy."""

from __future__ import annotations

import base64
import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from orrery.serving.http.messages import HttpError
from orrery.serving.package import FILE_KINDS, Column, ModelMetadata

if TYPE_CHECKING:
    from orrery.serving.runtimes import Array

Row = list[object]

_NUMBERS: Final = frozenset({float, int})
_NUMBERS_OR_NULL: Final = frozenset({float, int, type(None)})


class InputSchema:
    """The columns of one model, compiled."""

    def __init__(self, metadata: ModelMetadata) -> None:
        self.columns = metadata.inputs
        self.names = [column.name for column in metadata.inputs]
        self.width = len(self.names)
        self._keys = frozenset(self.names)
        self.ignored = frozenset(metadata.ignored)
        self._target = metadata.target
        self._all_numbers = all(column.kind == "number" for column in self.columns)
        all_nullable = all(column.nullable for column in self.columns)
        self._fast_types = _NUMBERS_OR_NULL if all_nullable else _NUMBERS
        self._converters = [_converter(column) for column in self.columns]

    # ---- rows (V1, and OIP's JSON)

    def read_instances(self, instances: object) -> list[Row]:
        """V1 `instances`: rows as lists in the model's order, or as objects by column name. Raises `HttpError` 400."""
        if not isinstance(instances, list):
            raise _invalid("instances", f"instances is {_shown(instances)}; it must be a list of rows")
        rows = cast("list[object]", instances)
        if not rows:
            raise _invalid("instances", "instances is empty; send at least one row")
        return [self._read_row(i, row) for i, row in enumerate(rows)]

    def _read_row(self, index: int, row: object) -> Row:
        if isinstance(row, list):
            values = cast("Row", row)
        elif isinstance(row, dict):
            values = self._by_name(index, cast("dict[str, object]", row))
        elif self.width == 1:
            values = [row]
        else:
            raise _invalid(
                "wrong_type",
                f"instances[{index}] is {_shown(row)}; it must be a list of {self.width} values or an object",
            )
        return self.check_row(index, values)

    def check_row(self, index: int, values: Row) -> Row:
        """`values` in column order, converted. Raises `HttpError` 400."""
        if len(values) != self.width:
            raise _invalid(
                "wrong_width",
                f"row {index} has {len(values)} values, the model takes {self.width}: {_listed(self.names)}",
                row=index,
            )
        if self._all_numbers and self._fast_types.issuperset(map(type, values)):
            return values
        return [convert(index, value) for convert, value in zip(self._converters, values, strict=True)]

    def _by_name(self, index: int, row: dict[str, object]) -> Row:
        if row.keys() == self._keys:
            return [row[name] for name in self.names]
        for name in row:
            if name not in self._keys and name not in self.ignored:
                raise self.unknown_column(name, f"row {index}")
        for column in self.columns:
            if column.name not in row and not column.nullable:
                raise _invalid(
                    "missing_column",
                    f"row {index} lacks column {column.name!r}, which the model needs; add it",
                    row=index,
                    column=column.name,
                )
        return [row.get(name) for name in self.names]

    def unknown_column(self, name: str, where: str) -> HttpError:
        if name == self._target:
            return _invalid(
                "unknown_column", f"{where} has column {name!r}, which the model predicts; leave it out", column=name
            )
        near = difflib.get_close_matches(name, self.names, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"the columns are {_listed(self.names)}"
        return _invalid(
            "unknown_column", f"{where} has column {name!r}, which the model does not know; {hint}", column=name
        )

    def to_columns(self, rows: Sequence[Row]) -> dict[str, Array]:
        """Checked rows as arrays of shape (n_rows,)."""
        if self._all_numbers:
            # None becomes NaN; column-major, so that each column is contiguous
            matrix = np.array(rows, dtype=np.float64).T.copy()
            return dict(zip(self.names, matrix, strict=True))
        return {
            column.name: _array(column, values)
            for column, values in zip(self.columns, zip(*rows, strict=True), strict=True)
        }

    def column_from_values(self, index: int, values: Sequence[object]) -> Array:
        """One column's unchecked JSON values. Raises `HttpError` 400."""
        convert = self._converters[index]
        return _array(self.columns[index], [convert(row, value) for row, value in enumerate(values)])

    # ---- arrays (OIP's binary tensors)

    def column_from_array(self, column: Column, array: Array) -> Array:
        """One binary tensor, flat, as the runtime wants it. Raises `HttpError` 400."""
        if column.kind in FILE_KINDS or column.kind == "series":
            message = f"tensor {column.name!r}: send a column of kind {column.kind} by the V1 protocol"
            raise _invalid("wrong_type", message, column=column.name)
        if column.kind in ("category", "text"):
            if array.dtype != object:
                array = np.array([str(value) for value in array.tolist()], dtype=object)
            return array
        if array.dtype == object:
            raise _invalid(
                "wrong_type", f"tensor {column.name!r} is BYTES; the model takes {column.datatype}", column=column.name
            )
        converted = array.astype(np.float64)
        if not column.nullable and np.isnan(converted).any():
            raise _invalid(
                "missing_value",
                f"tensor {column.name!r} holds NaN; the model needs a value in each row",
                column=column.name,
            )
        return converted


def _array(column: Column, values: Sequence[object]) -> Array:
    if column.kind not in ("number", "boolean"):
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    return np.array(values, dtype=np.float64)


def _converter(column: Column) -> Callable[[int, object], object]:
    def refuse(index: int, value: object, wanted: str) -> HttpError:
        message = f"row {index}, column {column.name!r}: {_shown(value)} is not {wanted}"
        return _invalid("wrong_type", message, row=index, column=column.name)

    def missing(index: int) -> None:
        if not column.nullable:
            message = f"row {index}, column {column.name!r} is null; the model needs a value there"
            raise _invalid("missing_value", message, row=index, column=column.name)

    def number(index: int, value: object) -> object:
        if value is None:
            return missing(index)
        if type(value) is float or type(value) is int:
            return value
        raise refuse(index, value, "a number")

    def category(index: int, value: object) -> object:
        if value is None:
            return missing(index)
        if type(value) is str:
            return value
        if type(value) is int:
            return str(value)
        raise refuse(index, value, "a string")

    def boolean(index: int, value: object) -> object:
        if value is None:
            return missing(index)
        if value is True or value is False or (type(value) is int and value in (0, 1)):
            return float(value)
        raise refuse(index, value, "true or false")

    def content(index: int, value: object) -> object:
        """`{"b64": "..."}`, as the V1 protocol writes bytes, or the base64 alone."""
        if value is None:
            return missing(index)
        text = _base64_of(value)
        if text is not None:
            try:
                return base64.b64decode(text, validate=True)
            except ValueError:
                raise refuse(index, text[:20], "base64") from None
        raise refuse(index, value, f'{{"b64": "..."}}, the {column.kind} as base64')

    def series(index: int, value: object) -> object:
        if value is None:
            return missing(index)
        items = _items_of(value)
        if not items:
            raise refuse(index, value, "a list of numbers")
        wrong = next((item for item in items if item is not None and type(item) not in _NUMBERS), None)
        if wrong is not None:
            raise refuse(index, wrong, "a number of the series")
        return np.array(items, dtype=np.float64)

    kinds: Mapping[str, Callable[[int, object], object]] = {
        **{"number": number, "category": category, "text": category, "boolean": boolean, "series": series},
        **dict.fromkeys(FILE_KINDS, content),
    }
    return kinds[column.kind]


def _base64_of(value: object) -> str | None:
    text = cast("dict[str, object]", value).get("b64") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None


def _items_of(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _invalid(code: str, message: str, **details: object) -> HttpError:
    return HttpError(400, code, message, details=details)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return str({None: "null", True: "true", False: "false"}[value])
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
