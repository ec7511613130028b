"""Listing 100,000 resources page by page on SQLite: each page is to take less than 50 ms, seen by an HTTP client.

The peer is the same walk with OFFSET instead of a cursor, on the same database: what paging costs where it is done
the usual way.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import insert, select

from orrery.domain.ids import make_id
from orrery.domain.records import Record
from orrery.store import tables
from orrery.store.database import open_database
from orrery.store.rows import to_record, to_values
from orrery.testing.platform import RunningPlatform

COUNT = 100_000
PAGE = 100
LIMIT_MS = 50.0
WALKS = 3


def fill(home: Path) -> None:
    database = open_database(f"sqlite:///{home / 'orrery.db'}")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    spec = {"algorithm": "alg_x", "datasets": {"train": "dsv_x"}, "parameters": {"rounds": 100, "learning_rate": 0.1}}
    outputs = {"metrics": {"roc_auc": 0.987654, "log_loss": 0.1234}, "artifacts": [], "attempt": 1}
    template = Record("", "training", "alice", "", 0, spec, "COMPLETE", start, start, outputs=outputs, tags=("bench",))
    with database.write() as connection:
        for begin in range(0, COUNT, 5000):
            rows = []
            for number in range(begin, begin + 5000):
                moment = start + timedelta(seconds=number)
                rows.append(
                    to_values(
                        replace(
                            template, id=make_id("trn"), name=f"run-{number:06}", created_at=moment, updated_at=moment
                        )
                    )
                )
            connection.execute(insert(tables.resources), rows)
    database.close()


def walk_by_offset(home: Path) -> list[float]:
    """Milliseconds of a query for every 100th page, by OFFSET, in process (no HTTP)."""
    database = open_database(f"sqlite:///{home / 'orrery.db'}")
    taken: list[float] = []
    r = tables.resources.c
    for offset in range(0, COUNT, PAGE * 100):
        begin = time.perf_counter()
        statement = select(tables.resources).where(r.kind == "training", r.deleted_at.is_(None))
        statement = statement.order_by(r.created_at.desc(), r.id.desc()).limit(PAGE).offset(offset)
        with database.read() as connection:
            [to_record(row) for row in connection.execute(statement)]
        taken.append((time.perf_counter() - begin) * 1000)
    database.close()
    return taken


def walk(client: httpx.Client) -> tuple[list[float], int]:
    """Milliseconds of every page in turn, and how many resources were seen."""
    taken: list[float] = []
    cursor, seen = None, 0
    while True:
        begin = time.perf_counter()
        page = client.get("trainings", params={"limit": PAGE, **({"cursor": cursor} if cursor else {})}).json()
        taken.append((time.perf_counter() - begin) * 1000)
        seen += len(page["items"])
        cursor = page["next"]
        if cursor is None:
            return taken, seen


def main() -> int:
    home = Path(tempfile.mkdtemp(prefix="orr-bench-"))
    fill(home)
    by_offset = walk_by_offset(home)
    with RunningPlatform(home) as platform, platform.client("alice") as client:
        walks = [walk(client) for _ in range(WALKS)]
    pages = [min(times) for times in zip(*(taken for taken, _ in walks), strict=True)]
    every = sorted(value for taken, _ in walks for value in taken)
    result = {
        "resources": walks[0][1],
        "pages": len(pages),
        "first_page_after_start_ms": round(walks[0][0][0], 2),
        "page_ms": {
            "median": round(statistics.median(every), 2),
            "p99": round(every[int(len(every) * 0.99)], 2),
            "max": round(every[-1], 2),
        },
        # what a page costs by itself: whatever else the machine did cannot make it quicker
        "slowest_page_ms_best_of_walks": round(max(pages), 2),
        "offset_query_ms": {"first": round(by_offset[0], 2), "last": round(by_offset[-1], 2)},
        "limit_ms": LIMIT_MS,
    }
    print(json.dumps(result, indent=2))
    return 0 if walks[0][1] == COUNT and max(pages) < LIMIT_MS and walks[0][0][0] < LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
