"""From a table's columns to the matrix that a model learns from, fitted once and saved as JSON.

Two ways, since the two families want different things. For linear models: missing numbers become the median beside a
flag that says so, numbers are standardised, categories become one column each. For trees: missing stays NaN, and
categories with many values become one column of ranks.

Columns come as the model server hands them over: float64 with NaN for numbers and for booleans (1, 0), object arrays of
str and None for categories. A category never seen while fitting is treated as the rare ones were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Mode = Literal["linear", "tree"]

#: one column for each category up to here; beyond, the rare ones share one (linear) or all become ranks (tree)
MOST_INDICATORS: Final = {"linear": 50, "tree": 16}
FORMAT: Final = 1


@dataclass(frozen=True)
class ColumnEncoding:
    """How one input column becomes features."""

    name: str
    kind: Literal["number", "boolean", "category"]
    #: what a missing number or boolean becomes; NaN for trees
    fill: float = float("nan")
    mean: float = 0.0
    scale: float = 1.0
    #: whether a feature tells that the value was missing
    has_flag: bool = False
    #: categories in the order of their features or ranks
    categories: tuple[str, ...] = ()
    is_ranked: bool = False
    #: whether rare and unseen categories have a feature of their own
    has_other: bool = False

    @property
    def features(self) -> list[str]:
        if self.kind == "category" and not self.is_ranked:
            names = [f"{self.name} = {category}" for category in self.categories]
            return names + ([f"{self.name} = (other)"] if self.has_other else [])
        return [self.name] + ([f"{self.name} is missing"] if self.has_flag else [])


@dataclass(frozen=True)
class Encoder:
    """A fitted encoding. `transform` may be called from several threads."""

    mode: Mode
    columns: tuple[ColumnEncoding, ...]
    #: columns that were left out, and why
    dropped: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def features(self) -> list[str]:
        return [feature for column in self.columns for feature in column.features]

    @property
    def owners(self) -> Array:
        """(n_features,): the position of the column that each feature comes from."""
        return np.repeat(np.arange(len(self.columns)), [len(column.features) for column in self.columns])

    @cached_property
    def _plan(self) -> _Plan:
        return _Plan(self)

    @classmethod
    def fit(
        cls,
        columns: Mapping[str, Array],
        kinds: Mapping[str, str],
        mode: Mode,
        dropped: Mapping[str, str] | None = None,
    ) -> Encoder:
        """Fit on the training rows only. A column without any value, or with one value throughout, is dropped."""
        left_out = dict(dropped or {})
        encodings: list[ColumnEncoding] = []
        for name, values in columns.items():
            found = (
                _fit_category(name, values, mode)
                if kinds[name] == "category"
                else _fit_number(name, values, "boolean" if kinds[name] == "boolean" else "number", mode)
            )
            if found is None:
                left_out[name] = "the same value in every training row"
            else:
                encodings.append(found)
        return cls(mode, tuple(encodings), left_out)

    def transform(self, columns: Mapping[str, Array]) -> Array:
        """(n_rows, n_features), float64 for linear models and float32 for trees. Does not change its input."""
        plan = self._plan
        rows = len(next(iter(columns.values())))
        matrix = np.zeros((rows, plan.width), dtype=np.float64 if self.mode == "linear" else np.float32)
        if plan.numbers:
            block = np.array([columns[name] for name in plan.numbers], dtype=np.float64).T
            if self.mode == "linear":
                missing = np.isnan(block)
                if missing.any():
                    block = np.where(missing, plan.fill, block)
                    matrix[:, plan.flag_places] = missing[:, plan.flagged]
                block = (block - plan.mean) / plan.scale
            matrix[:, plan.number_places] = block
        for column, index, place in plan.categories:
            _encode_category(column, index, columns[column.name], matrix, place)
        return matrix

    def to_json(self) -> dict[str, Any]:
        columns: list[dict[str, Any]] = []
        for column in self.columns:
            entry: dict[str, Any] = {"name": column.name, "kind": column.kind}
            if column.kind == "category":
                entry |= {"categories": list(column.categories), "ranked": column.is_ranked, "other": column.has_other}
            elif self.mode == "linear":
                entry |= {"fill": column.fill, "mean": column.mean, "scale": column.scale, "flag": column.has_flag}
            columns.append(entry)
        return {"format": FORMAT, "mode": self.mode, "columns": columns, "dropped": dict(self.dropped)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Encoder:
        """Raises: KeyError, ValueError for a document that `to_json` did not write."""
        if document["format"] != FORMAT:
            raise ValueError(f"encoder format {document['format']!r} is not {FORMAT}; save the model again")
        columns = [
            ColumnEncoding(
                name=entry["name"],
                kind=entry["kind"],
                fill=float(entry.get("fill", "nan")),
                mean=float(entry.get("mean", 0.0)),
                scale=float(entry.get("scale", 1.0)),
                has_flag=bool(entry.get("flag", False)),
                categories=tuple(entry.get("categories", ())),
                is_ranked=bool(entry.get("ranked", False)),
                has_other=bool(entry.get("other", False)),
            )
            for entry in document["columns"]
        ]
        return cls(document["mode"], tuple(columns), dict(document.get("dropped", {})))


class _Plan:
    """Where everything goes, worked out once for an encoder."""

    def __init__(self, encoder: Encoder) -> None:
        self.numbers: list[str] = []
        self.categories: list[tuple[ColumnEncoding, dict[str, int], int]] = []
        places: list[int] = []
        flag_places: list[int] = []
        flagged: list[int] = []
        numeric: list[ColumnEncoding] = []
        place = 0
        for column in encoder.columns:
            if column.kind == "category":
                index = {category: position for position, category in enumerate(column.categories)}
                self.categories.append((column, index, place))
            else:
                if column.has_flag:
                    flagged.append(len(numeric))
                    flag_places.append(place + 1)
                numeric.append(column)
                places.append(place)
                self.numbers.append(column.name)
            place += len(column.features)
        self.width = place
        self.number_places = _span(places)
        self.flag_places = np.array(flag_places, dtype=np.intp)
        self.flagged = np.array(flagged, dtype=np.intp)
        self.fill = np.array([column.fill for column in numeric])
        self.mean = np.array([column.mean for column in numeric])
        self.scale = np.array([column.scale for column in numeric])


def _span(places: Sequence[int]) -> Any:
    """A slice where the places are consecutive: assigning through one copies less."""
    if places and list(places) == list(range(places[0], places[0] + len(places))):
        return slice(places[0], places[0] + len(places))
    return np.array(places, dtype=np.intp)


def _fit_number(name: str, values: Array, kind: Literal["number", "boolean"], mode: Mode) -> ColumnEncoding | None:
    known = values[np.isfinite(values)]
    has_missing = bool(np.isnan(values).any())
    if not len(known) or (known.min() == known.max() and not has_missing):
        return None
    if mode == "tree":
        return ColumnEncoding(name, kind)
    fill = float(np.median(known))
    filled = np.where(np.isfinite(values), values, fill)
    scale = float(filled.std())
    return ColumnEncoding(
        name, kind, fill=fill, mean=float(filled.mean()), scale=scale if scale > 0 else 1.0, has_flag=has_missing
    )


def _fit_category(name: str, values: Array, mode: Mode) -> ColumnEncoding | None:
    counts = Counter(value for value in values.tolist() if value is not None)
    has_missing = any(value is None for value in values.tolist())
    if not counts or (len(counts) == 1 and not has_missing):
        return None
    ordered = [value for value, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    most = MOST_INDICATORS[mode]
    if len(ordered) <= most:
        return ColumnEncoding(name, "category", categories=tuple(ordered))
    if mode == "linear":
        return ColumnEncoding(name, "category", categories=tuple(ordered[:most]), has_other=True)
    return ColumnEncoding(name, "category", categories=tuple(ordered), is_ranked=True)


def _encode_category(
    column: ColumnEncoding, index: Mapping[str, int], values: Array, matrix: Array, place: int
) -> None:
    # The category's position; -1 for one that is not among them, -2 for missing.
    found = np.array([-2 if value is None else index.get(value, -1) for value in values.tolist()], dtype=np.int64)
    if column.is_ranked:
        matrix[:, place] = np.where(found >= 0, found, np.nan)
        return
    rows = np.nonzero(found >= 0)[0]
    matrix[rows, place + found[rows]] = 1.0
    if column.has_other:
        matrix[:, place + len(column.categories)] = found == -1
