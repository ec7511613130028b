"""Profiling a table, against DuckDB's own SUMMARIZE over the same file, in the same run.

SUMMARIZE gives counts, extremes, mean, deviation and approximate quartiles and distinct values. A profile has besides:
exact quartiles, skewness, histograms, duplicates, correlations, findings, a sample. The peer reads the file by
DuckDB's guesses; ours describes it first (`describe`), which every dataset needs in any case, and is told apart.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from orrery.jobs.tabular.columns import describe
from orrery.jobs.tabular.profile import make_profile
from orrery.jobs.tabular.sources import data_file, reading

#: rows, columns of numbers, columns of categories, columns of text
TABLES = {
    "1,000,000 x 20": (1_000_000, 14, 5, 1),
    "100,000 x 20": (100_000, 14, 5, 1),
    "100 x 5,000": (100, 5000, 0, 0),
}
LIMIT_MIB = 1024


def write(path: Path, rows: int, numbers: int, categories: int, texts: int) -> None:
    duckdb.execute("SELECT setseed(0.5)")
    pieces = [f"round(random() * {10 ** (place % 6)}, 4) AS n{place}" for place in range(numbers)]
    pieces += [f"'v' || (random() * {5 * (place + 1)})::INT AS c{place}" for place in range(categories)]
    pieces += [f"'name ' || range AS t{place}" for place in range(texts)]
    duckdb.execute(f"COPY (SELECT {', '.join(pieces)} FROM range({rows})) TO '{path}' (HEADER)")


def summarize(path: Path) -> dict[str, float]:
    begin = time.perf_counter()
    with duckdb.connect() as connection:
        connection.execute(f"SUMMARIZE SELECT * FROM read_csv('{path}')").fetchall()
    return {"seconds": round(time.perf_counter() - begin, 2)}


def profile(path: Path) -> dict[str, float]:
    begin = time.perf_counter()
    with reading() as reader:
        sources = [reader.open(data_file(path, path.name, None, None))]
        infos = describe(reader, sources)
        described = time.perf_counter()
        made = make_profile(reader, sources, infos)
        done = time.perf_counter()
    return {
        "describe_seconds": round(described - begin, 2),
        "profile_seconds": round(done - described, 2),
        "profile_mib": round(len(json.dumps(made)) / (1 << 20), 2),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def in_own_process(function: str, path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, function, str(path)], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def main() -> int:
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="orr-bench-") as folder:
        for name, shape in TABLES.items():
            path = Path(folder) / "table.csv"
            write(path, *shape)
            peer, ours = in_own_process("summarize", path), in_own_process("profile", path)
            ratio = round(ours["profile_seconds"] / peer["seconds"], 2)
            results[name] = {"orrery": ours, "duckdb_summarize": peer, "profile_to_summarize": ratio}
    print(json.dumps(results, indent=2))
    return 0 if all(result["orrery"]["peak_mib"] < LIMIT_MIB for result in results.values()) else 1


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps({"summarize": summarize, "profile": profile}[sys.argv[1]](Path(sys.argv[2]))))
    else:
        sys.exit(main())
