"""1,000 queued jobs are admitted one after another: with them the API answers at the median in under twice the time.

All are measured in one run, beside the same work: one training after another on the only core handed out. The client
that creates them waits for each answer and then asks at once.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

from orrery.testing.platform import RunningPlatform, create_dataset
from orrery.testing.waiting import wait_until

JOBS = 1000
ROWS = "".join(f"{i % 7},{i % 5},{'yes' if (i % 7) > 3 else 'no'}\n" for i in range(400))
CSV = f"width,height,species\n{ROWS}".encode()


def training(name: str, **parameters: object) -> dict[str, object]:
    spec = {
        "algorithm": "xgboost",
        "datasets": {"train": "iris"},
        "parameters": {"target": "species", **parameters},
        "priority": "LOW",
    }
    return {"name": name, "spec": spec}


def median_ms(client: httpx.Client, path: str, count: int = 60) -> float:
    taken: list[float] = []
    for _ in range(count):
        begin = time.perf_counter()
        client.get(path).raise_for_status()
        taken.append((time.perf_counter() - begin) * 1000)
    return statistics.median(taken)


def create(platform: RunningPlatform) -> None:
    """1,000 trainings, as a script would create them: one request after another."""
    with platform.client("alice") as client:
        for number in range(JOBS):
            client.post("trainings", json=training(f"q{number}")).raise_for_status()


def main() -> int:
    home = Path(tempfile.mkdtemp(prefix="orr-bench-"))
    with RunningPlatform(home, environment={"ORRERY_CORES": "1"}) as platform, platform.client("alice") as client:
        create_dataset(client, "iris", CSV)
        first = [{"method": "POST", "path": "/trainings", "body": training(f"first{number}")} for number in range(60)]
        client.post("batch", json={"operations": first}, timeout=300).raise_for_status()
        wait_until(
            lambda: client.get("trainings/first0").json()["status"]["phase"] != "CREATE_REQUESTED", what="the start"
        )
        paths = ("trainings?limit=50", "trainings/first59", "overview")
        before = {path: median_ms(client, path) for path in paths}
        begin = time.perf_counter()
        created = threading.Thread(target=create, args=(platform,))
        created.start()
        creating = {path: median_ms(client, path) for path in paths}
        assert created.is_alive(), "the jobs were created before the latency was measured"
        created.join()
        created_seconds = time.perf_counter() - begin
        wait_until(
            lambda: len(client.get("queue", timeout=60).json()["items"]) >= JOBS * 0.9,
            seconds=300,
            what="the queue of 1,000",
        )
        queued = {path: median_ms(client, path) for path in paths}
    ratios = {path: round(queued[path] / before[path], 2) for path in paths}
    ratios_creating = {path: round(creating[path] / before[path], 2) for path in paths}
    result = {
        "jobs": JOBS,
        "created_seconds": round(created_seconds, 1),
        "median_ms_before": {path: round(value, 2) for path, value in before.items()},
        "median_ms_queued": {path: round(value, 2) for path, value in queued.items()},
        "ratio": ratios,
        # for the record: beside a client that creates trainings as fast as they are answered
        "ratio_while_creating": ratios_creating,
    }
    print(json.dumps(result, indent=2))
    return 0 if max(ratios.values()) < 2 else 1


if __name__ == "__main__":
    sys.exit(main())
