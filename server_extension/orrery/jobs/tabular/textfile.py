"""A delimited text file before anything parses it: its encoding, its delimiter, its header.

The rule: UTF-8 with or without a byte-order mark, and UTF-16 with one, are read; anything else is refused with the
place of the first wrong byte. Guessing among eight-bit encodings would turn names into other names without a word.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orrery.jobs.tabular.problems import BadData

CHUNK_BYTES = 1 << 20
SAMPLE_BYTES = 1 << 18
DELIMITERS = (",", ";", "\t", "|")
#: what a file that is no text begins with
MAGIC = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG image",
}


@dataclass(frozen=True)
class TextFile:
    #: UTF-8 text: the file itself, or its transcoded copy
    path: Path
    #: "utf-8", "utf-8-sig" or "utf-16"
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def read_text_file(path: Path, name: str, scratch: Path, delimiter: str | None = None) -> TextFile:
    """Check the whole file's encoding and read its header. `scratch` is a folder for a transcoded copy.

    Raises: BadData for an empty, binary or wrongly encoded file, and for a header with a name twice.
    """
    encoding = check_encoding(path, name)
    if encoding == "utf-16":
        path = _transcode(path, name, scratch)
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    text = sample.decode("utf-8-sig", "ignore")
    if len(sample) == SAMPLE_BYTES and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    if not text.strip():
        raise BadData(f"file {name!r} is empty; upload a file with a header line and rows", file=name)
    delimiter = delimiter or find_delimiter(text)
    columns, warnings = _header(text, delimiter, name)
    return TextFile(path, encoding, delimiter, columns, warnings)


def check_encoding(path: Path, name: str) -> str:
    """The file's encoding, having decoded all of it. Raises: BadData with the first wrong byte's offset and line."""
    with path.open("rb") as file:
        head = file.read(8)
        if not head:
            raise BadData(f"file {name!r} is empty (0 bytes); upload a file with a header line and rows", file=name)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        for magic, what in MAGIC.items():
            if head.startswith(magic):
                raise BadData(
                    f"file {name!r} is {what}, not text; give it the matching extension, or export it as CSV", file=name
                )
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        offset, lines = 0, 1
        while True:
            chunk = file.read(CHUNK_BYTES)
            zero = chunk.find(b"\0")
            if zero >= 0:
                raise BadData(
                    f"file {name!r} is binary, not text: a zero byte at offset {offset + zero}; export it as CSV again",
                    file=name,
                    offset=offset + zero,
                )
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                raise _undecodable(error, offset - pending, lines, name) from None
            if not chunk:
                break
            offset += len(chunk)
            lines += chunk.count(b"\n")
    return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8"


def find_delimiter(text: str) -> str:
    """The delimiter that splits the first records into the same number of fields, more than one; else a comma."""
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        widths = [len(record) for record in itertools.islice(_records(text, delimiter), 50)]
        if not widths or widths[0] < 2:
            continue
        agreeing = Counter(widths)[widths[0]] / len(widths)
        if (agreeing, widths[0]) > best_score:
            best, best_score = delimiter, (agreeing, widths[0])
    return best


def check_columns(columns: tuple[str, ...], name: str) -> None:
    """Raises: BadData naming a column that is there twice, with its places."""
    for column, count in Counter(columns).items():
        if count > 1:
            places = [str(place) for place, other in enumerate(columns, start=1) if other == column]
            raise BadData(
                f"file {name!r} has {count} columns named {column!r} (columns {' and '.join(places)}); "
                "rename one of them",
                file=name,
                column=column,
            )


def _undecodable(error: UnicodeDecodeError, start: int, lines: int, name: str) -> BadData:
    offset = start + error.start
    line = lines + error.object[: error.start].count(b"\n")
    value = error.object[error.start]
    return BadData(
        f"file {name!r} is not UTF-8: byte 0x{value:02X} at offset {offset} (line {line}) cannot be decoded; "
        "save it as UTF-8 (Excel: 'CSV UTF-8'; iconv -f WINDOWS-1252 -t UTF-8), as UTF-16 with a byte-order mark, "
        "or as Parquet",
        file=name,
        offset=offset,
        line=line,
    )


def _transcode(path: Path, name: str, scratch: Path) -> Path:
    copy = scratch / f"{abs(hash(str(path))):x}.csv"
    try:
        with path.open(encoding="utf-16", newline="") as source, copy.open("w", encoding="utf-8", newline="") as target:
            while text := source.read(CHUNK_BYTES):
                target.write(text)
    except UnicodeError as error:
        raise BadData(f"file {name!r} begins as UTF-16 but is damaged: {error}; save it again", file=name) from None
    return copy


def _header(text: str, delimiter: str, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    record = next(_records(text, delimiter), list[str]())
    columns = tuple(column.strip() for column in record)
    warnings: list[str] = []
    if not any(columns):
        raise BadData(f"file {name!r} has an empty first line; its first line must name the columns", file=name)
    for place, column in enumerate(columns, start=1):
        if not column:
            warnings.append(f"column {place} of {name!r} has no name; it is called 'column {place}'")
    columns = tuple(column or f"column {place}" for place, column in enumerate(columns, start=1))
    check_columns(columns, name)
    if all(_is_number(column) for column in columns):
        warnings.append(f"the first line of {name!r} holds only numbers; it is taken for the header")
    return columns, tuple(warnings)


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(1 << 27)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
