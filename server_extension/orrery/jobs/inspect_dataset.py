"""Reads a dataset's files and describes them: the job behind every uploaded or changed dataset.

Its result is what forms, checks and previews work with; its error is what the person who uploaded the files reads. The
profile (`orrery.jobs.tabular.profile`) is larger: it is left as `profile.json` in the work folder, and kept from there.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orrery.jobs import report
from orrery.jobs.tabular.columns import ColumnInfo, describe, scan
from orrery.jobs.tabular.problems import BadData
from orrery.jobs.tabular.profile import make_profile
from orrery.jobs.tabular.sources import DataFile, Reader, Source, data_file, reading, same_columns

PREVIEW_ROWS = 50
#: a cell of the preview is cut beyond this
PREVIEW_CHARACTERS = 200
#: where the job leaves the profile, in its work folder
PROFILE_FILE = "profile.json"


def inspect(files: Sequence[Mapping[str, Any]], format: str | None = None) -> dict[str, Any]:
    """Describe `files` (paths relative to the work folder) and report the description as the job's result.

    Raises: BadData, already reported, for what cannot be read.
    """
    try:
        result = inspect_files([_entry(entry, format) for entry in files], profile_to=Path(PROFILE_FILE))
    except BadData as bad:
        report.error(bad.code, bad.message, **bad.details)
        raise
    report.result(result)
    report.progress(1.0, message=f"{result['rows']} rows and {len(result['columns'])} columns")
    return result


def inspect_files(files: Sequence[DataFile], profile_to: Path | None = None) -> dict[str, Any]:
    """The description of the files as one dataset; their profile goes to `profile_to`. Raises: BadData."""
    if not files:
        raise BadData("the dataset has no files; upload a CSV, Parquet, JSON, JSONL or Excel file")
    with reading() as reader:
        sources: list[Source] = []
        for number, file in enumerate(files):
            report.progress(0.1 * number / len(files), step=number, steps=len(files), message=f"checking {file.name}")
            sources.append(reader.open(file))
        same_columns(sources)
        rows_of: list[int] = []
        for number, source in enumerate(sources):
            report.progress(0.1 + 0.1 * number / len(files), message=f"counting the rows of {source.file.name}")
            rows_of.append(_count(reader, source))
        report.progress(0.2, message="describing the columns")
        columns = describe(reader, sources)
        report.progress(0.45, message="reading the first rows")
        preview = _preview(reader, sources, columns)
        warnings = [warning for source in sources for warning in source.warnings] + _warnings(columns)
        if profile_to is not None:
            warnings += _write_profile(reader, sources, columns, profile_to)
    return {
        "rows": sum(rows_of),
        "columns": [_column(info) for info in columns],
        "files": [_file(source, rows) for source, rows in zip(sources, rows_of, strict=True)],
        "warnings": warnings,
        "preview": preview,
    }


def _write_profile(reader: Reader, sources: Sequence[Source], columns: Sequence[ColumnInfo], target: Path) -> list[str]:
    """Write the profile; what was read is of use without it, so that its failure is a warning."""
    try:
        profile = make_profile(reader, sources, columns, _profiling)
    except BadData as bad:
        return [f"no profile could be made ({bad.message}); read the dataset again when the machine has more room"]
    target.write_text(json.dumps(profile, ensure_ascii=False, allow_nan=False), "utf-8", "replace")
    return []


def _profiling(fraction: float, message: str) -> None:
    report.progress(0.5 + 0.5 * fraction, message=message)


def _entry(entry: Mapping[str, Any], declared: str | None) -> DataFile:
    path = Path(str(entry["path"]))
    return data_file(path, str(entry.get("name") or path.name), declared, entry.get("purpose"))


def _count(reader: Reader, source: Source) -> int:
    # Every column is touched: a short row anywhere is found here, with its file's name.
    first = '"' + next(iter(source.types)).replace('"', '""') + '"'
    rows = int(reader.rows(f"SELECT count(*), count({first}) FROM {source.relation}", source.file)[0][0])
    if not rows:
        raise BadData(f"file {source.file.name!r} has a header and no rows; add rows to it", file=source.file.name)
    return rows


def _file(source: Source, rows: int) -> dict[str, Any]:
    file = source.file
    described: dict[str, Any] = {"path": file.name, "rows": rows, "bytes": file.path.stat().st_size}
    described |= {"format": file.format, "purpose": file.purpose}
    return described | {"encoding": source.encoding, "delimiter": source.delimiter}


def _column(info: ColumnInfo) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": info.name,
        "kind": info.kind,
        "dtype": info.dtype,
        "rows": info.rows,
        "missing": info.missing,
        "distinct": info.distinct,
        "examples": info.examples,
    }
    if info.kind == "number":
        described |= {"minimum": info.minimum, "maximum": info.maximum, "mean": info.mean}
    if info.classes:
        described["classes"] = info.classes
        value, count = min(info.classes.items(), key=lambda item: item[1])
        described["smallest_class"] = {"value": value, "count": count}
    return described


def _warnings(columns: Sequence[ColumnInfo]) -> list[str]:
    warnings: list[str] = []
    for info in columns:
        if info.missing == info.rows:
            warnings.append(f"column {info.name!r} is empty in every row")
        elif info.distinct == 1:
            warnings.append(f"column {info.name!r} has the same value in every row")
        elif info.missing > info.rows / 2:
            share = 100 * info.missing / info.rows
            warnings.append(f"column {info.name!r} is empty in {share:.0f} % of the rows")
    return warnings


def _preview(reader: Reader, sources: Sequence[Source], columns: Sequence[ColumnInfo]) -> list[dict[str, Any]]:
    rows = reader.rows(f"SELECT * FROM ({scan(sources)}) LIMIT {PREVIEW_ROWS}")
    return [{info.name: _shown(value, info) for info, value in zip(columns, row, strict=True)} for row in rows]


def _shown(value: Any, info: ColumnInfo) -> Any:
    if info.kind == "number" and isinstance(value, str):
        number = float(value)
        value = int(number) if info.is_whole and abs(number) < 2**53 else number
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, (float, decimal.Decimal)):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, (datetime.date, datetime.datetime, datetime.time)):
        return value.isoformat()
    text = str(value)
    return text if len(text) <= PREVIEW_CHARACTERS else text[:PREVIEW_CHARACTERS] + "..."
