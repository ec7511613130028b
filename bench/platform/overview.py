"""The overview over 100,000 trainings: each of its answers is to take less than 50 ms, as every change may ask for one.

Measured as an administrator and as a user who sees only a part, each time after a change, so that nothing is answered
from what was counted before.
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

from sqlalchemy import insert

from orrery.domain.access import Visibility
from orrery.domain.ids import make_id
from orrery.domain.records import Record
from orrery.store import tables
from orrery.store.database import open_database
from orrery.store.rows import to_values
from orrery.testing.platform import RunningPlatform

COUNT = 100_000
ROUNDS = 20
LIMIT_MS = 50.0
PATHS = ("overview", "overview/activity?range=24h", "overview/activity?range=30d", "system/history")


def fill(home: Path) -> None:
    """A month of trainings: most of them complete, some failed, a few that run."""
    database = open_database(f"sqlite:///{home / 'orrery.db'}")
    start = datetime.now(UTC) - timedelta(days=30)
    spec = {"algorithm": "alg_x", "datasets": {"train": "dsv_x"}, "parameters": {"rounds": 100}, "instance_type": "x"}
    template = Record(
        "", "training", "alice", "", 0, spec, "COMPLETE", start, start, outputs={"metrics": {"auc": 0.98}}
    )
    step = timedelta(days=30) / COUNT
    with database.write() as connection:
        for begin in range(0, COUNT, 5000):
            rows = []
            for number in range(begin, begin + 5000):
                moment = start + step * number
                record = replace(
                    template,
                    id=make_id("trn"),
                    name=f"run-{number:06}",
                    owner="alice" if number % 3 else "bob",
                    visibility=Visibility.PRIVATE if number % 5 else Visibility.PUBLIC,
                    phase="FAIL_TRAIN" if number % 11 == 0 else "COMPLETE",
                    spec={**spec, "instance_type": "cpu-small" if number % 2 else "cpu-large"},
                    created_at=moment,
                    updated_at=moment,
                    started_at=moment,
                    ended_at=moment + timedelta(minutes=3),
                )
                rows.append(to_values(record))
            connection.execute(insert(tables.resources), rows)
    database.close()


def main() -> int:
    home = Path(tempfile.mkdtemp(prefix="orr-bench-"))
    fill(home)
    taken: dict[str, list[float]] = {}
    environment = {"ORRERY_ADMINS": '["root"]'}
    with RunningPlatform(home, environment=environment) as platform:
        for user in ("root", "alice"):
            with platform.client(user) as client:
                for number in range(ROUNDS):
                    client.post("experiments", json={"name": f"e{number}", "spec": {}}).raise_for_status()
                    for path in PATHS:
                        # another time zone each time: an answer that is kept for a while is none to measure
                        fresh = f"{path}&offset_minutes={number}" if "?" in path else path
                        begin = time.perf_counter()
                        client.get(fresh).raise_for_status()
                        taken.setdefault(f"{user}: {path}", []).append((time.perf_counter() - begin) * 1000)
    medians = {path: round(statistics.median(values), 1) for path, values in taken.items()}
    print(json.dumps({"trainings": COUNT, "median_ms": medians, "limit_ms": LIMIT_MS}, indent=2))
    return 0 if max(medians.values()) < LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
