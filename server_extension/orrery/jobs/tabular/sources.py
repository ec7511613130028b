"""The files of a dataset's folder as relations that DuckDB can scan, in bounded memory whatever their size.

Each file is checked before it is scanned: what DuckDB would repair in silence (a name twice, a short row) is refused
here with the file, the line and the remedy.
"""

from __future__ import annotations

import csv
import json
import re
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb

from orrery.jobs.tabular.problems import BadData
from orrery.jobs.tabular.textfile import check_columns, check_encoding, read_text_file

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FORMATS = ("csv", "tsv", "parquet", "json", "jsonl", "xlsx")
_ALIASES = {"txt": "csv", "ndjson": "jsonl", "xlsm": "xlsx", "pq": "parquet"}
#: what counts as missing in text files, as pandas has it
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "null", "NULL", "None", "#N/A", "<NA>", "#NA")
DESCRIPTION_FILE = "dataset.json"


@dataclass(frozen=True)
class DataFile:
    path: Path
    #: as the person knows it
    name: str
    format: str
    #: "training", "validation", "testing" or None
    purpose: str | None = None


@dataclass(frozen=True)
class Source:
    """One file, ready to scan."""

    file: DataFile
    #: a table function of DuckDB, for a FROM clause
    relation: str
    #: name -> DuckDB's type; VARCHAR throughout for text files
    types: Mapping[str, str]
    #: whether the file has types of its own; text files have not
    is_typed: bool
    encoding: str | None = None
    delimiter: str | None = None
    warnings: tuple[str, ...] = ()


def find_files(folder: Path) -> list[DataFile]:
    """The data files in a dataset's folder, with the purposes that `dataset.json` beside them gives.

    Raises: BadData where there is none, or one is listed that is not there.
    """
    if not folder.is_dir():
        raise BadData(f"dataset folder {folder.name!r} is not there; choose a dataset for this input")
    description = folder / DESCRIPTION_FILE
    if description.exists():
        listed = cast("dict[str, Any]", json.loads(description.read_text("utf-8")))
        declared = listed.get("format")
        entries = cast("list[dict[str, Any]]", listed.get("files") or [])
        files = [data_file(folder / entry["path"], entry["path"], declared, entry.get("purpose")) for entry in entries]
    else:
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        files = [data_file(path, str(path.relative_to(folder)), None, None) for path in paths]
    if not files:
        raise BadData(f"dataset {folder.name!r} has no files; upload a CSV, Parquet, JSON, JSONL or Excel file")
    return files


def data_file(path: Path, name: str, declared: str | None, purpose: str | None) -> DataFile:
    """Raises: BadData for a file that is not there or whose format is not known."""
    extension = path.suffix.lstrip(".").lower()
    chosen = (declared or extension).lower()
    chosen = _ALIASES.get(chosen, chosen)
    if chosen not in FORMATS:
        raise BadData(
            f"file {name!r} has the format {chosen or 'none'!r}; use one of {', '.join(FORMATS)}, "
            "or set the dataset's format",
            file=name,
        )
    if not path.is_file():
        raise BadData(f"file {name!r} is not among the dataset's files", file=name)
    return DataFile(path, name, chosen, purpose)


@contextmanager
def reading(memory_limit: str = "1GB") -> Generator[Reader]:
    """A connection in memory that spills to a scratch folder beyond `memory_limit`."""
    with tempfile.TemporaryDirectory(prefix="orrery-data-") as scratch:
        connection = duckdb.connect(
            config={
                "memory_limit": memory_limit,
                "temp_directory": scratch,
                "autoinstall_known_extensions": "false",
                "preserve_insertion_order": "true",
            }
        )
        try:
            connection.execute("SET enable_progress_bar = false")
            yield Reader(connection, Path(scratch))
        finally:
            connection.close()


class Reader:
    """Opens files as `Source`s and runs queries over them, with errors about the data."""

    def __init__(self, connection: DuckDBPyConnection, scratch: Path) -> None:
        self.connection = connection
        self._scratch = scratch

    def open(self, file: DataFile) -> Source:
        """Raises: BadData."""
        if not file.path.stat().st_size:
            raise BadData(f"file {file.name!r} is empty (0 bytes); upload a file with rows", file=file.name)
        match file.format:
            case "csv" | "tsv":
                return self._open_text(file, file.path, "\t" if file.format == "tsv" else None)
            case "parquet":
                return self._open_typed(file, f"read_parquet({_quoted(file.path)})")
            case "xlsx":
                return self._open_text(file, self._sheet_to_csv(file), ",")
            case _:
                check_encoding(file.path, file.name)
                layout = "newline_delimited" if file.format == "jsonl" else "auto"
                options = f"format = '{layout}', sample_size = -1, maximum_object_size = 67108864"
                return self._open_typed(file, f"read_json({_quoted(file.path)}, {options})")

    def rows(self, query: str, file: DataFile | None = None) -> list[tuple[Any, ...]]:
        with self.explained(file):
            return self.connection.execute(query).fetchall()

    def arrays(self, query: str, file: DataFile | None = None) -> dict[str, Any]:
        """The result's columns as NumPy masked arrays."""
        with self.explained(file):
            return cast("dict[str, Any]", self.connection.execute(query).fetchnumpy())

    @contextmanager
    def explained(self, file: DataFile | None) -> Generator[None]:
        """Turn DuckDB's errors into ones about the data."""
        try:
            yield
        except duckdb.Error as error:
            raise _explain(error, file) from None

    def _open_text(self, file: DataFile, path: Path, delimiter: str | None) -> Source:
        text = read_text_file(path, file.name, self._scratch, delimiter)
        columns = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in text.columns)
        missing = ", ".join(_quoted(word) for word in MISSING)
        relation = (
            f"read_csv({_quoted(text.path)}, auto_detect = false, header = true, columns = {{{columns}}}, "
            f"delim = {_quoted(text.delimiter)}, quote = '\"', escape = '\"', nullstr = [{missing}], "
            "strict_mode = true, null_padding = false, max_line_size = 33554432)"
        )
        types = dict.fromkeys(text.columns, "VARCHAR")
        is_text = file.format in ("csv", "tsv")
        return Source(
            file,
            relation,
            types,
            is_typed=False,
            encoding=text.encoding if is_text else None,
            delimiter=text.delimiter if is_text else None,
            warnings=text.warnings,
        )

    def _open_typed(self, file: DataFile, relation: str) -> Source:
        described = self.rows(f"DESCRIBE SELECT * FROM {relation}", file)
        types = {str(row[0]): str(row[1]) for row in described}
        if list(types) == ["json"] and file.format in ("json", "jsonl"):
            raise BadData(
                f"file {file.name!r} holds no objects; each record must be an object like {{'age': 41}}",
                file=file.name,
            )
        check_columns(tuple(types), file.name)
        nested = [name for name, kind in types.items() if "[" in kind or kind.startswith(("STRUCT", "MAP", "UNION"))]
        warnings = [f"column {name!r} of {file.name!r} holds nested values; it is read as text" for name in nested]
        return Source(file, relation, types, is_typed=True, warnings=tuple(warnings))

    def _sheet_to_csv(self, file: DataFile) -> Path:
        """The workbook's first sheet as CSV, row by row."""
        from zipfile import BadZipFile

        import openpyxl

        target = self._scratch / f"{abs(hash(str(file.path))):x}-sheet.csv"
        try:
            workbook = openpyxl.load_workbook(file.path, read_only=True, data_only=True)
        except (BadZipFile, KeyError, OSError, ValueError) as error:
            message = f"file {file.name!r} is not an Excel workbook (.xlsx): {error}"
            raise BadData(f"{message}; save it again from the spreadsheet", file=file.name) from None
        try:
            with target.open("w", encoding="utf-8", newline="") as out:
                writer = csv.writer(out)
                width = 0
                for row in workbook.worksheets[0].iter_rows(values_only=True):
                    values = _trimmed(row, width)
                    if any(value is not None for value in values):
                        width = width or len(values)
                        writer.writerow(["" if value is None else _cell(value) for value in values])
        finally:
            workbook.close()
        if not width:
            raise BadData(f"the first sheet of {file.name!r} is empty; put the table there", file=file.name)
        return target


def same_columns(sources: Sequence[Source]) -> None:
    """Raises: BadData naming the file that lacks a column of the first one, or has one more."""
    first = sources[0]
    for source in sources[1:]:
        missing = [name for name in first.types if name not in source.types]
        added = [name for name in source.types if name not in first.types]
        if missing or added:
            what = f"lacks column {missing[0]!r}" if missing else f"has a column {added[0]!r} more"
            raise BadData(
                f"file {source.file.name!r} {what} compared with {first.file.name!r}; all files need the same columns",
                file=source.file.name,
            )


def identifier(name: str) -> str:
    """A column's name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def _quoted(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _trimmed(row: tuple[Any, ...], width: int) -> list[Any]:
    """A sheet's row without the empty cells beyond the header's width; short rows are filled."""
    values = list(row)
    while len(values) > width and values and values[-1] is None:
        values.pop()
    return values + [None] * (width - len(values))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _explain(error: duckdb.Error, file: DataFile | None) -> BadData:
    text = str(error)
    name = file.name if file else "the dataset"
    line = re.search(r"CSV Error on Line: (\d+)", text)
    widths = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if line and widths:
        message = f"line {line[1]} of file {name!r} has {widths[2]} fields where the header has {widths[1]}; "
        message += "add or remove delimiters there, or put quotes around a value that contains one"
        return BadData(message, file=name, line=int(line[1]))
    if line:
        problems = [part.strip() for part in text.splitlines()[1:] if part.strip() and "Original Line" not in part]
        found = next((part for part in problems if part[0].isupper()), "it cannot be parsed")
        message = f"line {line[1]} of file {name!r} cannot be read: {found.rstrip('.')}"
        return BadData(f"{message}; correct it and upload the file again", file=name, line=int(line[1]))
    first = re.sub(r"^[A-Z]\w+( \w+)* Error: ", "", text.splitlines()[0])
    # Never the path on this machine: the person knows the file by its name.
    first = re.sub(r"""(["'])[^"']*/([^"'/]+)\1""", r"\1\2\1", first)
    return BadData(f"file {name!r} cannot be read: {first.strip()}; correct it and upload it again", file=name)
