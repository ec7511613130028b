"""Reading uploaded files: what is found in them, and what is refused with its place."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orrery.jobs.inspect_dataset import inspect_files
from orrery.jobs.tabular.problems import BadData
from orrery.jobs.tabular.sources import data_file
from orrery.testing.algorithms import run_job

ROWS = "name,age,club,captain,born,zip,note\n"
ROWS += "".join(
    f"n{row},{row % 40 + 18},{'FC' if row % 3 else 'SV'},{'yes' if row % 2 else 'no'},"
    f"1990-01-{row % 28 + 1:02d},0{1000 + row % 7},\n"
    for row in range(120)
)


def inspect(path: Path, declared: str | None = None) -> dict[str, Any]:
    return inspect_files([data_file(path, path.name, declared, None)])


def test_a_csv_is_described_column_by_column(tmp_path: Path) -> None:
    path = tmp_path / "players.csv"
    path.write_text(ROWS)
    found = inspect(path)
    assert found["rows"] == 120
    assert {column["name"]: column["kind"] for column in found["columns"]} == {
        "name": "text",
        "age": "number",
        "club": "category",
        "captain": "boolean",
        "born": "datetime",
        "zip": "category",
        "note": "category",
    }
    columns = {column["name"]: column for column in found["columns"]}
    assert (columns["age"]["minimum"], columns["age"]["maximum"]) == (18, 57)
    assert columns["club"]["classes"] == {"FC": 80, "SV": 40}
    assert columns["club"]["smallest_class"] == {"value": "SV", "count": 40}
    assert columns["note"]["missing"] == 120
    assert found["warnings"] == ["column 'note' is empty in every row"]
    assert len(found["preview"]) == 50
    assert found["preview"][0] == {
        "name": "n0", "age": 18, "club": "SV", "captain": "no", "born": "1990-01-01", "zip": "01000", "note": None
    }  # fmt: skip
    assert found["files"] == [
        {
            "path": "players.csv",
            "rows": 120,
            "bytes": len(ROWS),
            "format": "csv",
            "purpose": None,
            "encoding": "utf-8",
            "delimiter": ",",
        }
    ]


def _parquet(path: Path) -> None:
    import duckdb

    duckdb.execute(f"COPY (SELECT 1 AS a, 'x' AS b UNION ALL SELECT NULL, 'é') TO '{path}' (FORMAT parquet)")


def _workbook(path: Path) -> None:
    import openpyxl

    workbook = openpyxl.Workbook()
    sheet = workbook.worksheets[0]
    for row in (["a", "b"], [1, "x"], [None, "é"]):
        sheet.append(row)
    workbook.save(path)


SAME: dict[str, tuple[Callable[[Path], Any], str | None]] = {
    "plain.csv": (lambda path: path.write_text("a,b\n1,x\n,é\n", "utf-8"), "utf-8"),
    "marked.csv": (lambda path: path.write_text("a,b\n1,x\n,é\n", "utf-8-sig"), "utf-8-sig"),
    "utf16.csv": (lambda path: path.write_text("a,b\n1,x\n,é\n", "utf-16"), "utf-16"),
    "semicolons.csv": (lambda path: path.write_bytes("a;b\r\n1;x\r\n;é\r\n".encode()), "utf-8"),
    "tabs.tsv": (lambda path: path.write_text("a\tb\n1\tx\n\té\n", "utf-8"), "utf-8"),
    "lines.jsonl": (lambda path: path.write_text('{"a":1,"b":"x"}\n{"a":null,"b":"é"}\n', "utf-8"), None),
    "array.json": (lambda path: path.write_text('[{"a":1,"b":"x"},{"b":"é"}]', "utf-8"), None),
    "table.parquet": (_parquet, None),
    "book.xlsx": (_workbook, None),
}


@pytest.mark.parametrize("name", SAME)
def test_every_format_and_encoding_reads_the_same_table(name: str, tmp_path: Path) -> None:
    write, encoding = SAME[name]
    write(tmp_path / name)
    found = inspect(tmp_path / name)
    assert found["preview"] == [{"a": 1, "b": "x"}, {"a": None, "b": "é"}]
    assert [(column["kind"], column["missing"]) for column in found["columns"]] == [("number", 1), ("category", 0)]
    assert found["files"][0]["encoding"] == encoding


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty.csv": (b"", "file 'empty.csv' is empty (0 bytes)"),
    "blank.csv": (b"\n\n", "empty"),
    "header.csv": (b"a,b\n", "has a header and no rows"),
    "twice.csv": (b"a,b,a\n1,2,3\n", "2 columns named 'a' (columns 1 and 3)"),
    "short.csv": (b"a,b\n1,2\n3\n", "line 3 of file 'short.csv' has 1 fields where the header has 2"),
    "long.csv": (b"a,b\n1,2\n3,4,5\n", "line 3 of file 'long.csv' has 3 fields where the header has 2"),
    "latin.csv": (b"a,b\n1,2\n3,\xe9\n", "byte 0xE9 at offset 10 (line 3)"),
    "zeros.csv": (b"a,b\n1,\x00\n", "a zero byte at offset 6"),
    "zip.csv": (b"PK\x03\x04rest", "a zip archive or an Excel workbook, not text"),
    "quote.csv": (b'a,b\n1,"x\n2,3\n', "cannot be read"),
    "broken.jsonl": (b'{"a":1}\n{"a":\n', "Malformed JSON"),
    "latin.jsonl": (b'{"a":"\xe9"}\n', "byte 0xE9 at offset 6"),
    "numbers.json": (b"[1, 2]", "holds no objects"),
    "no.parquet": (b"not parquet at all", "file 'no.parquet' cannot be read"),
    "no.xlsx": (b"not a workbook", "is not an Excel workbook"),
    "x.docx": (b"x", "has the format 'docx'; use one of csv, tsv, parquet, json, jsonl, xlsx"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    content, words = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadData) as refused:
        inspect(tmp_path / name)
    assert words in refused.value.message
    assert str(tmp_path) not in refused.value.message


def test_several_files_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,a\n2,b\n")
    (tmp_path / "b.csv").write_text("y,x\nc,3\n")
    files = [data_file(tmp_path / name, name, None, use) for name, use in (("a.csv", "training"), ("b.csv", "testing"))]
    found = inspect_files(files)
    assert [file["rows"] for file in found["files"]] == [2, 1]
    assert [file["purpose"] for file in found["files"]] == ["training", "testing"]
    assert found["columns"][1]["classes"] == {"a": 1, "b": 1, "c": 1}


def test_as_a_job_it_reports_its_result(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    (folder / "work" / "datasets" / "data").mkdir(parents=True)
    (folder / "work" / "datasets" / "data" / "x.csv").write_text("a,b\n1,x\n2,y\n")
    arguments = {"files": [{"path": "datasets/data/x.csv", "purpose": None}], "format": "csv"}
    program = {"type": "python", "entry": "orrery.jobs.inspect_dataset:inspect", "arguments": arguments}
    job = run_job(folder, program)
    assert job.code == 0, job.log
    assert job.result["rows"] == 2
    fractions = [report["fraction"] for report in job.of("progress")]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


def test_as_a_job_it_reports_one_error(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    (folder / "work").mkdir(parents=True)
    (folder / "work" / "x.csv").write_text("a,a\n1,2\n")
    program = {
        "type": "python",
        "entry": "orrery.jobs.inspect_dataset:inspect",
        "arguments": {"files": [{"path": "x.csv"}]},
    }
    job = run_job(folder, program)
    assert job.code == 1
    assert [report["code"] for report in job.of("error")] == ["bad_data"]
    assert "Traceback" not in job.log


MEASURED = """
import json, sys
from pathlib import Path
from orrery.jobs.inspect_dataset import inspect_files
from orrery.jobs.tabular.sources import data_file
path = Path(sys.argv[1])
found = inspect_files([data_file(path, path.name, None, None)])
# VmHWM: what getrusage says begins with the memory of the process that started this one
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([found["rows"], int(peak.split()[1]) * 1024]))
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """25 MB of text with a column of as many values as rows, within 500 MB."""
    import subprocess
    import sys

    path = tmp_path / "large.csv"
    block = "".join(f"{row},{row % 97},some words in row {row},{row * 0.37:.3f}\n" for row in range(50_000))
    with path.open("w") as file:
        file.write("a,b,c,d\n")
        for _ in range(12):
            file.write(block)
    argv = [sys.executable, "-c", MEASURED, str(path)]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert ended.returncode == 0, ended.stderr
    rows, peak_bytes = json.loads(ended.stdout)
    assert rows == 600_000
    assert peak_bytes < 500 << 20
