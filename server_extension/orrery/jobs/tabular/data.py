"""The job's datasets in memory: typed columns, the target, and what each row is for.

The folders come from `EM_DATASET_TRAIN`, `EM_DATASET_VALIDATION` and `EM_DATASET_TEST`; the files of one folder may be
labelled training, validation or testing in a `dataset.json` beside them. Rows without a label are split.
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from orrery.jobs.tabular.columns import ColumnInfo, as_number, describe
from orrery.jobs.tabular.problems import BadData
from orrery.jobs.tabular.showing import Grid, short
from orrery.jobs.tabular.sources import Reader, Source, find_files, identifier, reading, same_columns

Array = np.ndarray[Any, np.dtype[Any]]
Task = Literal["binary_classification", "multiclass_classification", "regression"]

#: datasets by the purpose of their rows; the first is needed
DATASETS = {"train": None, "validation": "validation", "test": "testing"}
#: more classes than this is no classification that a person meant
MOST_CLASSES = 1000
#: a whole-numbered target with more different values is a quantity
MOST_NUMBER_CLASSES = 20
#: columns of these kinds are learned from
LEARNABLE = ("number", "boolean", "category")


@dataclass(frozen=True)
class Part:
    """Some of the rows: features by column, and the target as class positions (int64) or values (float64)."""

    columns: Mapping[str, Array]
    target: Array

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class Data:
    """Everything that was read. In a notebook it shows as a table of its columns."""

    infos: tuple[ColumnInfo, ...]
    #: learnable columns without the target: float64 with NaN, or object arrays of str and None
    columns: Mapping[str, Array]
    target: ColumnInfo
    #: str and None, or float64 with NaN
    target_values: Array
    #: "training", "validation", "testing" or "" (to be split) for each row
    purposes: Array
    #: columns that are not learned from, and why
    dropped: Mapping[str, str]
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.target_values)

    @property
    def kinds(self) -> dict[str, str]:
        return {info.name: info.kind for info in self.infos if info.name in self.columns}

    def take(self, rows: Array, target: Array) -> Part:
        """The given rows, with `target` (of all rows) beside them."""
        return Part({name: values[rows] for name, values in self.columns.items()}, target[rows])

    def _repr_html_(self) -> str:
        rows = [
            (
                info.name,
                "target" if info.name == self.target.name else self.dropped.get(info.name, info.kind),
                info.missing or "",
                info.distinct,
                "" if info.minimum is None else short(info.minimum),
                "" if info.maximum is None else short(info.maximum),
                ", ".join(str(value)[:30] for value in info.examples[:3]),
            )
            for info in self.infos
        ]
        headers = ("column", "use", "missing", "different", "lowest", "highest", "examples")
        return f"<p>{len(self)} rows</p>" + Grid(headers, rows, most_rows=60)._repr_html_()  # pyright: ignore[reportPrivateUsage]


def load(target: str = "", *, folders: Mapping[str, Path] | None = None) -> Data:
    """Read the job's datasets. `target` empty means the last column; `folders` defaults to the EM_DATASET_* variables.

    Raises: BadData, reported already.
    """
    folders = folders if folders is not None else dataset_folders()
    try:
        return _load(target, folders)
    except BadData as bad:
        from orrery.jobs import report

        report.error(bad.code, bad.message, **bad.details)
        raise


def dataset_folders(environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """The folders of the datasets that this job was given, by name."""
    found = {name: environment.get(f"EM_DATASET_{name.upper()}") for name in DATASETS}
    return {name: Path(folder) for name, folder in found.items() if folder}


def _load(target: str, folders: Mapping[str, Path]) -> Data:
    if "train" not in folders:
        raise BadData("no training dataset was given; choose one for 'train' (EM_DATASET_TRAIN names its folder)")
    with reading() as reader:
        sources: list[Source] = []
        purposes: list[str] = []
        for name, folder in folders.items():
            for file in find_files(folder):
                sources.append(reader.open(file))
                purposes.append(DATASETS[name] or file.purpose or "")
        same_columns(sources)
        infos = describe(reader, sources)
        chosen = _target(target, infos)
        wanted = [info for info in infos if info.kind in LEARNABLE or info.name == chosen.name]
        arrays, counts = _read(reader, sources, wanted, chosen.name)
    labels = np.repeat(np.array(purposes, dtype=object), counts)
    values = arrays.pop(chosen.name)
    known = np.array([value is not None for value in values]) if values.dtype == object else ~np.isnan(values)
    notes = [warning for source in sources for warning in source.warnings]
    if not target:
        notes.append(f"no target was named: the last column, {chosen.name!r}, is predicted")
    if not known.all():
        notes.append(f"{int((~known).sum())} rows without a value of {chosen.name!r} are left out")
    reasons = {"text": "text, not learned from", "datetime": "date or time, not learned from"}
    dropped = {info.name: reasons[info.kind] for info in infos if info.kind in reasons and info.name != chosen.name}
    columns = {name: column[known] for name, column in arrays.items()}
    if not columns:
        raise BadData(f"beside the target {chosen.name!r} there is no column of numbers or categories to learn from")
    return Data(tuple(infos), columns, chosen, values[known], labels[known], dropped, tuple(notes))


def _target(name: str, infos: Sequence[ColumnInfo]) -> ColumnInfo:
    if not name:
        name = infos[-1].name
    for info in infos:
        if info.name == name:
            break
    else:
        names = [info.name for info in infos]
        same = [other for other in names if other.lower() == name.strip().lower()]
        near = same or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"its columns are {', '.join(map(repr, names[:12]))}"
        raise BadData(f"target column {name!r} is not in the dataset; {hint}", column=name)
    if info.missing == info.rows:
        raise BadData(f"target {name!r} is empty in every row; choose another column, or fill it in", column=name)
    if info.distinct == 1:
        only = info.examples[0] if info.examples else ""
        raise BadData(
            f"target {name!r} is {only!r} in every row, so there is nothing to learn; choose another column",
            column=name,
        )
    return info


def _read(
    reader: Reader, sources: Sequence[Source], wanted: Sequence[ColumnInfo], target: str
) -> tuple[dict[str, Array], list[int]]:
    parts: dict[str, list[Array]] = {info.name: [] for info in wanted}
    counts: list[int] = []
    for source in sources:
        pieces = [f"{_projection(info, source, target)} AS c{place}" for place, info in enumerate(wanted)]
        found = reader.arrays(f"SELECT {', '.join(pieces)} FROM {source.relation}", source.file)
        for place, info in enumerate(wanted):
            parts[info.name].append(_plain(found[f"c{place}"], _is_numeric(info, target)))
        counts.append(len(found["c0"]))
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}, counts


def _is_numeric(info: ColumnInfo, target: str) -> bool:
    # A yes/no target keeps its own words: they are what predictions say.
    return info.kind == "number" or (info.kind == "boolean" and info.name != target)


def _projection(info: ColumnInfo, source: Source, target: str) -> str:
    column = identifier(info.name)
    if info.kind == "number":
        number = as_number(info, source.types[info.name], not source.is_typed)
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    if info.kind == "boolean" and info.name != target:
        text = f"lower(trim(CAST({column} AS VARCHAR)))"
        return f"CASE WHEN {text} IN ('true', 'yes') THEN 1.0 WHEN {text} IN ('false', 'no') THEN 0.0 END::DOUBLE"
    return f"CAST({column} AS VARCHAR)"


def _plain(values: Any, is_numeric: bool) -> Array:
    """DuckDB's masked array as the encoder wants it: NaN or None where a value is missing."""
    mask = cast("Array", np.ma.getmaskarray(values))  # pyright: ignore[reportUnknownMemberType]
    data = cast("Array", np.ma.getdata(values))  # pyright: ignore[reportUnknownMemberType]
    if is_numeric:
        return np.where(mask, np.nan, data.astype(np.float64))
    plain = np.array(data, dtype=object)
    plain[mask] = None
    return plain


@dataclass(frozen=True)
class Problem:
    """What is to be learned: the task, the classes, and the target in numbers."""

    task: Task
    #: class values in the order of their positions; None for regression
    classes: tuple[str, ...] | tuple[int, ...] | None
    #: class positions (int64) or values (float64), one for each row of the data
    target: Array

    @property
    def is_classification(self) -> bool:
        return self.classes is not None


def define_problem(data: Data, task: str = "auto") -> Problem:
    """Regression or classification, and the classes. Raises: BadData, reported already."""
    try:
        return _define(data, task)
    except BadData as bad:
        from orrery.jobs import report

        report.error(bad.code, bad.message, **bad.details)
        raise


def _define(data: Data, task: str) -> Problem:
    info, values = data.target, data.target_values
    is_number = info.kind == "number"
    if task == "auto":
        is_quantity = is_number and (not info.is_whole or info.distinct > MOST_NUMBER_CLASSES)
        task = "regression" if is_quantity else "classification"
    if task == "regression":
        if not is_number:
            example = info.examples[0] if info.examples else ""
            raise BadData(
                f"target {info.name!r} holds {info.kind} values such as {example!r}, and regression needs numbers; "
                "choose task 'classification', or another column",
                column=info.name,
            )
        return Problem("regression", None, values.astype(np.float64))
    most = MOST_CLASSES
    if is_number:
        most = max(MOST_NUMBER_CLASSES, len(data) // 4) if info.is_whole else MOST_NUMBER_CLASSES
    if info.distinct > min(most, MOST_CLASSES):
        raise BadData(
            f"target {info.name!r} has {info.distinct} different values in {len(data)} rows, too many for classes; "
            "choose another column, or an algorithm with task 'regression' for numbers",
            column=info.name,
        )
    counts = Counter(int(value) if is_number and info.is_whole else str(value) for value in values.tolist())
    classes = tuple(sorted(counts))
    lonely = [value for value in classes if counts[value] < 2]
    if lonely:
        raise BadData(
            f"class {lonely[0]!r} of target {info.name!r} has only {counts[lonely[0]]} row; a class needs at least 2, "
            "so that one can be held out: add rows of it, or remove that row",
            column=info.name,
            value=lonely[0],
        )
    places = {value: place for place, value in enumerate(classes)}
    convert = int if is_number and info.is_whole else str
    target = np.array([places[convert(value)] for value in values.tolist()], dtype=np.int64)
    kind: Task = "binary_classification" if len(classes) == 2 else "multiclass_classification"
    return Problem(kind, classes, target)  # pyright: ignore[reportArgumentType]
