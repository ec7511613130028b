"""A table's profile: what its rows hold, measured once when it is read, so that looking at it costs nothing.

Bounded whatever the table's size. Up to `MEASURED_CELLS` every row is measured; of a larger table as many rows as that
allows, chosen by a hash of their number, and the profile says so (`measured_rows` of `rows`). The random sample is for
drawing. JSON has no NaN: what cannot be computed is null, and infinite values are counted, not averaged.

Another type of data brings its own profile: any job that leaves a `profile.json` with `type` and `format` in its work
folder has it kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from orrery.jobs.tabular.associations import cramers_v, pearson, ranks
from orrery.jobs.tabular.columns import ColumnInfo, as_number, in_batches, scan
from orrery.jobs.tabular.quality import find_problems, likely_target
from orrery.jobs.tabular.sources import Reader, Source, identifier
from orrery.jobs.tabular.summaries import Array, date_summary, number_summary, shortened, text_summaries

FORMAT: Final = 1
#: a table of more cells is measured on a part of its rows
MEASURED_CELLS: Final = 25_000_000
#: cells in memory at once
_BATCH_CELLS: Final = 4_000_000
SAMPLE_ROWS: Final = 5_000
SAMPLE_CELLS: Final = 100_000
SAMPLE_BYTES: Final = 1_000_000
#: the same table always gives the same sample
SEED: Final = 20_250_101
#: rows and columns that correlations are computed from at most
CORRELATION_ROWS: Final = 100_000
CORRELATION_COLUMNS: Final = 60
CATEGORY_COLUMNS: Final = 20
#: categories with more values say little by Cramér's V
CATEGORY_VALUES: Final = 20

Json = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """The measured rows, in a table `profiled` of DuckDB: numbers and times (seconds) as float64, the rest as text."""

    reader: Reader
    infos: Sequence[ColumnInfo]
    #: rows in the table
    rows: int

    def column(self, place: int) -> str:
        return f"c{place}"

    def places(self, *kinds: str) -> list[int]:
        return [place for place, info in enumerate(self.infos) if info.kind in kinds]

    def numbers(self, places: Sequence[int], where: str = "") -> Iterator[tuple[int, Array]]:
        """Columns as float64 with NaN for what is missing, some at a time."""
        size = max(1, min(500, _BATCH_CELLS // max(1, self.rows)))
        for start in range(0, len(places), size):
            batch = places[start : start + size]
            listed = ", ".join(map(self.column, batch))
            arrays = self.reader.arrays(f"SELECT {listed} FROM profiled {where}")
            for place in batch:
                yield place, _with_nan(arrays[self.column(place)])


def _with_nan(column: Any) -> Array:
    """A masked array, or a plain one where nothing is missing, as float64 with NaN."""
    values = np.array(column, dtype=np.float64)
    if isinstance(column, np.ma.MaskedArray):
        values[np.ma.getmaskarray(column)] = np.nan  # pyright: ignore[reportUnknownMemberType]
    return values


def make_profile(
    reader: Reader,
    sources: Sequence[Source],
    infos: Sequence[ColumnInfo],
    progress: Callable[[float, str], None] = lambda fraction, message: None,
) -> Json:
    """The profile of the files together; `progress` is told how much of it is done. Raises: BadData."""
    progress(0.0, "loading the rows to measure")
    table = load_table(reader, sources, infos)
    progress(0.3, "measuring the columns")
    columns = _columns(table, is_typed=all(source.is_typed for source in sources))
    progress(0.7, "comparing the columns")
    rows = infos[0].rows
    is_whole = table.rows == rows
    profile: Json = {
        "format": FORMAT,
        "type": "tabular",
        "rows": rows,
        "measured_rows": table.rows,
        "duplicate_rows": _duplicates(table) if is_whole else None,
        "memory_bytes": round(sum(column["memory_bytes"] for column in columns) * rows / max(1, table.rows)),
        "missing_cells": sum(column["missing"] for column in columns),
        "target": likely_target(columns),
        "columns": columns,
    }
    profile["correlations"] = _correlations(table, columns, profile["target"])
    profile["associations"] = _associations(table, columns)
    profile |= find_problems(profile)
    progress(0.9, "choosing a sample")
    profile["sample"] = _sample(table)
    return profile


def load_table(reader: Reader, sources: Sequence[Source], infos: Sequence[ColumnInfo]) -> Table:
    """The rows to measure, each column read as what it is. Raises: BadData."""
    types = sources[0].types
    is_text = not all(source.is_typed for source in sources)
    pieces = [f"{_typed(info, types[info.name], is_text)} AS c{place}" for place, info in enumerate(infos)]
    hashes = [f"hash({', '.join(map(identifier, names))})" for names in in_batches(types)]
    pieces.append(f"hash({', '.join(hashes)}) AS row_hash")
    rows, most = infos[0].rows, max(1000, MEASURED_CELLS // len(infos))
    source = f"({scan(sources)})"
    where = ""
    if rows > most:
        number = "row number"
        while number in types:
            number += "_"
        source = f"(SELECT *, row_number() OVER () AS {identifier(number)} FROM {source})"
        where = f"WHERE hash({identifier(number)}) % 1000000 < {int(1e6 * most / rows)}"
    query = f"SELECT {', '.join(pieces)} FROM {source} {where}"
    with reader.explained(sources[0].file if len(sources) == 1 else None):
        reader.connection.execute("DROP TABLE IF EXISTS described")
        reader.connection.execute(f"CREATE OR REPLACE TEMP TABLE profiled AS {query}")
    return Table(reader, infos, int(reader.rows("SELECT count(*) FROM profiled")[0][0]))


def _typed(info: ColumnInfo, source_type: str, is_text: bool) -> str:
    column = identifier(info.name)
    if info.kind == "number":
        return as_number(info, source_type, is_text)
    if info.kind == "datetime":
        moment = f"TRY_CAST({column} AS TIMESTAMP)"
        if source_type.startswith("TIME") and not source_type.startswith("TIMESTAMP"):
            moment = f"(DATE '1970-01-01' + CAST({column} AS TIME))"
        return f"CASE WHEN isfinite({moment}) THEN CAST(epoch({moment}) AS DOUBLE) END"
    return f"CAST({column} AS VARCHAR)"


def _columns(table: Table, *, is_typed: bool) -> list[Json]:
    measured: dict[int, Json] = {}
    for place, values in table.numbers(table.places("number")):
        measured[place] = number_summary(values, is_whole=table.infos[place].is_whole)
    for place, values in table.numbers(table.places("datetime")):
        measured[place] = date_summary(values)
    words = table.places("boolean", "category", "text")
    measured |= text_summaries(table.reader, table.infos, words, rows=table.rows, is_typed=is_typed)
    columns: list[Json] = []
    for place, info in enumerate(table.infos):
        found = measured[place]
        nan = found.pop("nan", 0)
        common = {"name": info.name, "kind": info.kind, "dtype": info.dtype, "missing": info.missing + nan}
        columns.append({**common, "distinct": info.distinct, **({"nan": nan} if nan else {}), **found})
    return columns


def _duplicates(table: Table) -> int:
    """Rows that repeat an earlier one, by a 64-bit hash of their values as they are in the files."""
    return int(table.reader.rows("SELECT count(*) - count(DISTINCT row_hash) FROM profiled")[0][0])


def _correlations(table: Table, columns: Sequence[Json], target: str | None) -> Json | None:
    """Pearson's and Spearman's of the first numeric columns that vary, the likely target among them."""
    varying = [p for p in table.places("number") if (columns[p].get("std") or 0) > 0]
    varying.sort(key=lambda place: columns[place]["name"] != target)
    chosen = sorted(varying[:CORRELATION_COLUMNS])
    if len(chosen) < 2:
        return None
    names = [columns[place]["name"] for place in chosen]
    values = np.column_stack([array for _, array in table.numbers(chosen, _some_rows(table))])
    values[~np.isfinite(values)] = np.nan
    return {
        "columns": names,
        "left_out": len(varying) - len(chosen),
        "rows": len(values),
        "pearson": pearson(values),
        "spearman": pearson(ranks(values)),
    }


def _associations(table: Table, columns: Sequence[Json]) -> Json | None:
    """Cramér's V of the first categories with few values."""
    places = table.places("boolean", "category")
    chosen = [place for place in places if 2 <= columns[place]["distinct"] <= CATEGORY_VALUES][:CATEGORY_COLUMNS]
    if len(chosen) < 2:
        return None
    codes: list[str] = []
    for place in chosen:
        values = table.infos[place].classes or {}
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
        codes.append(f"CAST(coalesce(list_position([{listed}], c{place}), 0) AS TINYINT) AS c{place}")
    arrays = table.reader.arrays(f"SELECT {', '.join(codes)} FROM profiled {_some_rows(table)}")
    values = np.column_stack([np.asarray(arrays[table.column(place)], dtype=np.int64) for place in chosen])
    return {"columns": [columns[p]["name"] for p in chosen], "rows": len(values), "cramers_v": cramers_v(values)}


def _some_rows(table: Table) -> str:
    """All rows, or about as many as correlations need, the same for every column."""
    if table.rows <= CORRELATION_ROWS:
        return ""
    return f"WHERE hash(rowid) % 1000000 < {int(1e6 * CORRELATION_ROWS / table.rows)}"


def _sample(table: Table) -> Json:
    """A random sample by column, in the order of the rows; fewer rows where they are wide."""
    count = min(table.rows, SAMPLE_ROWS, max(20, SAMPLE_CELLS // len(table.infos)))
    chosen = np.sort(np.random.default_rng(SEED).choice(table.rows, count, replace=False))
    listed = ", ".join(map(table.column, range(len(table.infos))))
    wanted = f"rowid IN (SELECT unnest([{', '.join(map(str, chosen))}]))"
    drawn = table.reader.rows(f"SELECT {listed} FROM profiled WHERE {wanted} ORDER BY rowid")
    rows = [[_drawn(value, info) for value, info in zip(row, table.infos, strict=True)] for row in drawn]
    while len(rows) > 1 and len(json.dumps(rows, ensure_ascii=False).encode("utf-8", "replace")) > SAMPLE_BYTES:
        rows = rows[::2]
    values = [list(column) for column in zip(*rows, strict=True)]
    return {"rows": len(rows), "of": table.infos[0].rows, "seed": SEED, "values": values}


def _drawn(value: Any, info: ColumnInfo) -> Any:
    """A value as it is drawn: numbers to six digits, times in seconds since 1970, long text cut."""
    if value is None or isinstance(value, str):
        return None if value is None else shortened(value)
    if not np.isfinite(value):
        return None
    if info.kind == "datetime" or (info.is_whole and abs(value) < 2**53):
        return int(value)
    return float(f"{value:.6g}")
