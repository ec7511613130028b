"""What each column of a dataset is: number, boolean, category, text or datetime, found in one scan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal, cast

from orrery.jobs.tabular.problems import BadData
from orrery.jobs.tabular.sources import Reader, Source, identifier

Kind = Literal["number", "category", "boolean", "text", "datetime"]

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_NUMBERS = (*_WHOLE, "UHUGEINT", "FLOAT", "DOUBLE")
#: up to so many different values their counts are told
MOST_CLASSES = 50
#: up to so many rows different values are counted exactly
EXACT_ROWS = 500_000
#: up to so many columns are described by queries over the files themselves
NARROW = 100
#: columns asked for in one query of a wider table: what planning costs grows with the square of them
BATCH = 25


@dataclass(frozen=True)
class ColumnInfo:
    name: str
    kind: Kind
    #: as in the file, or as it is read
    dtype: str
    rows: int
    missing: int
    distinct: int
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    #: value -> count where there are few; in descending order of count
    classes: dict[str, int] | None = None
    examples: list[Any] = field(default_factory=list[Any])

    @property
    def is_whole(self) -> bool:
        """Whether every number is an integer."""
        return self.dtype == "integer"


def scan(sources: Sequence[Source]) -> str:
    """The rows of all files, by column name, in the order of the files."""
    names = ", ".join(identifier(name) for name in sources[0].types)
    return " UNION ALL ".join(f"SELECT {names} FROM {source.relation}" for source in sources)


def in_batches(names: Iterable[str]) -> Iterator[list[str]]:
    """The columns' names, as many at a time as one query should have."""
    left = iter(names)
    while batch := list(islice(left, BATCH)):
        yield batch


def describe(reader: Reader, sources: Sequence[Source]) -> list[ColumnInfo]:
    """Every column of the files together. Raises: BadData where the files have no rows."""
    if len(sources[0].types) <= NARROW:
        return _describe_some(reader, sources, list(sources[0].types), f"({scan(sources)})")
    # Read once into a table: opening a text file of thousands of columns takes longer than a batch of them.
    with reader.explained(sources[0].file if len(sources) == 1 else None):
        reader.connection.execute(f"CREATE OR REPLACE TEMP TABLE described AS {scan(sources)}")
    batches = in_batches(sources[0].types)
    return [info for names in batches for info in _describe_some(reader, sources, names, "described")]


def _describe_some(reader: Reader, sources: Sequence[Source], names: Sequence[str], relation: str) -> list[ColumnInfo]:
    file = sources[0].file if len(sources) == 1 else None
    is_text = not all(source.is_typed for source in sources)
    types = {name: sources[0].types[name] for name in names}
    rows_of_all = f"SELECT {', '.join(map(identifier, names))} FROM {relation}"
    pieces = ["count(*)"]
    read: list[str] = []
    for place, (name, kind) in enumerate(types.items()):
        number = identifier(f"{name} as number {place}")
        read.append(f"{_as_number(identifier(name), kind, is_text)} AS {number}")
        pieces += _measures(identifier(name), number, kind, is_text)
    rows_read = f"SELECT *, {', '.join(read)} FROM ({rows_of_all})"
    values = list(reader.rows(f"SELECT {', '.join(pieces)} FROM ({rows_read})", file)[0])
    rows = int(values.pop(0))
    if not rows:
        files = ", ".join(source.file.name for source in sources)
        raise BadData(f"file {files!r} has a header and no rows; add rows to it", file=files)
    infos: list[ColumnInfo] = []
    for place, (name, kind) in enumerate(types.items()):
        measured = values[place * _MEASURES : (place + 1) * _MEASURES]
        infos.append(_decide(name, kind, is_text, rows, measured))
    if rows <= EXACT_ROWS:
        exact = ", ".join(f"count(DISTINCT {identifier(info.name)})" for info in infos)
        counts = reader.rows(f"SELECT {exact} FROM ({rows_of_all})", file)[0]
        infos = [replace(info, distinct=int(count)) for info, count in zip(infos, counts, strict=True)]
    infos = [replace(info, kind=_refined(info)) for info in infos]
    return _with_classes(reader, rows_of_all, infos)


#: aggregates for each column, in the order that `_decide` reads them
_MEASURES = 10


def _measures(column: str, number: str, kind: str, is_text: bool) -> list[str]:
    """`number` names the column as already read as float64: reading it once for all of these is what makes it quick."""
    text = column if kind == "VARCHAR" else f"CAST({column} AS VARCHAR)"
    # Guards before the costly tests: most values are out after a look at their length.
    word = f"length({text}) <= 7 AND lower(trim({text})) IN ('true', 'false', 'yes', 'no')"
    code = f"starts_with({text}, '0') AND regexp_full_match({text}, '0[0-9]+')"
    dated = f"length({text}) BETWEEN 8 AND 35 AND (contains({text}, '-') OR contains({text}, '/'))"
    stamp = f"CASE WHEN {number} IS NULL AND {dated} THEN TRY_CAST({text} AS TIMESTAMP) END"
    return [
        f"count({column})",
        f"count({number})",
        f"count(*) FILTER ({word})",
        f"count(*) FILTER ({code})",
        f"count({stamp})" if is_text or kind == "VARCHAR" else "0",
        f"approx_count_distinct({column})",
        f"min({number})",
        f"max({number})",
        f"avg({number}) FILTER (isfinite({number}))",
        f"count(*) FILTER ({number} = floor({number}))",
    ]


def as_number(info: ColumnInfo, source_type: str, is_text: bool) -> str:
    """The SQL that reads a column as float64."""
    return _as_number(identifier(info.name), source_type, is_text)


def _as_number(column: str, kind: str, is_text: bool) -> str:
    if kind in _NUMBERS or kind.startswith("DECIMAL"):
        return f"CAST({column} AS DOUBLE)"
    if is_text:
        return f"TRY_CAST(trim({column}) AS DOUBLE)"
    return "CAST(NULL AS DOUBLE)"


def _decide(name: str, kind: str, is_text: bool, rows: int, measured: Sequence[Any]) -> ColumnInfo:
    filled, numbers, booleans, codes, stamps, distinct, low, high, mean, whole = measured
    base = ColumnInfo(name, "category", "string", rows, rows - filled, int(distinct))
    if kind == "BOOLEAN":
        return replace(base, kind="boolean", dtype="boolean")
    if kind.startswith(("DATE", "TIME")):
        return replace(base, kind="datetime", dtype=kind.lower())
    if not filled:
        return base if is_text or kind == "VARCHAR" else replace(base, kind="number", dtype="float")
    if numbers == filled and not codes:
        # Numbers as text with leading zeros ("01067") are codes, not quantities.
        dtype = "integer" if whole == filled else "float"
        return replace(base, kind="number", dtype=dtype, minimum=low, maximum=high, mean=mean)
    if booleans == filled:
        return replace(base, kind="boolean", dtype="boolean")
    if stamps == filled:
        return replace(base, kind="datetime", dtype="timestamp")
    return base


def _refined(info: ColumnInfo) -> Kind:
    """A category with nearly as many values as rows is text: a name, an identifier, a sentence."""
    filled = info.rows - info.missing
    if info.kind == "category" and info.distinct > MOST_CLASSES and info.distinct > filled / 2:
        return "text"
    return info.kind


def _with_classes(reader: Reader, rows_of_all: str, infos: list[ColumnInfo]) -> list[ColumnInfo]:
    """The counts of each value for columns with few, and examples for all."""
    few = [info.name for info in infos if 0 < info.distinct <= MOST_CLASSES]
    counts: dict[str, dict[str, int]] = {}
    if few:
        pieces = ", ".join(f"histogram(CAST({identifier(name)} AS VARCHAR))" for name in few)
        found = reader.rows(f"SELECT {pieces} FROM ({rows_of_all})")[0]
        for name, histogram in zip(few, found, strict=True):
            by_value = cast("dict[str, int]", histogram or {})
            counts[name] = dict(sorted(by_value.items(), key=lambda item: (-item[1], item[0])))
    pieces = ", ".join(f"CAST({identifier(info.name)} AS VARCHAR)" for info in infos)
    head = reader.rows(f"SELECT {pieces} FROM ({rows_of_all}) LIMIT 200")
    described: list[ColumnInfo] = []
    for place, info in enumerate(infos):
        seen = dict.fromkeys(row[place] for row in head if row[place] is not None)
        described.append(replace(info, classes=counts.get(info.name), examples=[str(value) for value in seen][:5]))
    return described
