"""The overview: what it counts, for whom, and the machine's last hour over a restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from orrery.controllers.monitoring import Monitor, Ring
from orrery.domain.access import User, Visibility
from orrery.domain.catalogue import KINDS
from orrery.domain.ids import make_id
from orrery.domain.records import Record, utc_now
from orrery.executors.meter import Meter
from orrery.store.database import Database
from orrery.store.resources import ResourceStore
from orrery.store.summaries import Buckets, Summaries
from orrery.testing.platform import RunningPlatform, create_dataset, wait_settled
from orrery.testing.waiting import wait_until

CSV = b"width,height,species\n" + b"".join(b"%d,%d,%s\n" % (i % 7, i % 5, b"ab"[i % 2 : i % 2 + 1]) for i in range(200))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment={"ORRERY_CORES": "1"}) as running:
        yield running


@pytest.fixture(scope="module")
def alice(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client("alice") as client:
        create_dataset(client, "iris", CSV)
        yield client


def train(client: httpx.Client, name: str, rounds: int = 5) -> None:
    parameters = {"target": "species", "rounds": rounds}
    spec = {"algorithm": "xgboost", "datasets": {"train": "iris"}, "parameters": parameters}
    client.post("trainings", json={"name": name, "spec": spec}).raise_for_status()


def overview_with_a_queue(client: httpx.Client) -> Any:
    def read() -> Any:
        found = client.get("overview").json()
        return found if found["queue"]["items"] else None

    return wait_until(read, what="the queue of one")


def test_what_was_done_shows_in_the_counts_and_in_the_activity(alice: httpx.Client) -> None:
    train(alice, "first")
    assert wait_settled(alice, "trainings", "first")["status"]["phase"] == "COMPLETE"
    overview = alice.get("overview").json()
    assert overview["counts"]["training"] == {"Completed": 1}
    assert sum(overview["counts"]["dataset"].values()) == 1
    activity = alice.get("overview/activity", params={"range": "24h"}).json()
    assert sum(activity["created"]) == sum(activity["completed"]) == 1
    assert sum(activity["failed"]) == 0
    assert len(activity["starts"]) == len(activity["created"]) >= 24
    assert [item["name"] for item in activity["instance_types"]] == ["cpu-small"]
    assert activity["instance_types"][0]["core_hours"] > 0


def test_what_waits_says_why_and_what_runs_says_what_it_holds(alice: httpx.Client) -> None:
    train(alice, "holds", rounds=10_000)
    wait_until(lambda: [item["name"] for item in alice.get("overview").json()["holders"]] == ["holds"], what="a holder")
    train(alice, "waits")
    overview = overview_with_a_queue(alice)
    assert overview["running"][0]["name"] == "holds"
    assert overview["holders"][0]["cores"] == overview["capacity"]["held"]["cores"] == 1
    item = overview["queue"]["items"][0]
    assert (item["place"], item["owner"]) == (1, "alice")
    assert "held by alice/holds" in item["reason"]
    alice.post("trainings/holds/stop").raise_for_status()
    wait_settled(alice, "trainings", "waits")


def test_an_endpoint_holds_its_size_for_each_replica_that_has_begun(alice: httpx.Client) -> None:
    train(alice, "served")
    model = wait_settled(alice, "trainings", "served")["status"]["outputs"]["model"]
    wait_settled(alice, "models", model)
    deployments = [{"model": model, "replicas": 2, "traffic": 100}]
    alice.post("endpoints", json={"name": "live", "spec": {"deployments": deployments}}).raise_for_status()
    assert wait_settled(alice, "endpoints", "live")["status"]["phase"] == "ACTIVE"
    overview = alice.get("overview").json()
    (holder,) = overview["holders"]
    assert (holder["name"], holder["copies"]) == ("live", 2)
    assert holder["cores"] == overview["capacity"]["held"]["cores"] > 0
    alice.post("endpoints/live/stop").raise_for_status()
    wait_settled(alice, "endpoints", "live")
    assert alice.get("overview").json()["holders"] == []


def test_what_only_names_a_size_holds_nothing(alice: httpx.Client) -> None:
    spec = {"algorithm": "xgboost", "instance_type": "cpu-small"}
    alice.post("templates", json={"name": "quick", "spec": spec}).raise_for_status()
    wait_settled(alice, "templates", "quick")
    overview = alice.get("overview").json()
    assert overview["counts"]["template"] == {"Active": 1}
    assert overview["holders"] == []
    assert overview["capacity"]["held"]["cores"] == 0


def test_others_see_neither_counts_nor_names_of_what_they_may_not_read(
    platform: RunningPlatform, alice: httpx.Client
) -> None:
    train(alice, "concealed", rounds=10_000)
    train(alice, "concealed-too")
    overview_with_a_queue(alice)
    with platform.client("bob") as bob:
        overview = bob.get("overview").json()
        activity = bob.get("overview/activity").json()
    assert overview["counts"]["training"] == {}
    assert overview["running"] == overview["holders"] == overview["endpoints"] == []
    assert overview["capacity"]["held"]["cores"] == 1
    waiting = overview["queue"]["items"][0]
    assert (waiting["resource"], waiting["title"], waiting["reason"]) == (None, "", "")
    assert sum(activity["created"]) == 0
    assert "concealed" not in str(overview) + str(activity)
    for name in ("concealed", "concealed-too"):
        alice.post(f"trainings/{name}/stop").raise_for_status()
        wait_settled(alice, "trainings", name)


def test_an_unknown_range_and_a_kind_that_does_not_run_are_refused(alice: httpx.Client) -> None:
    assert alice.get("overview/activity", params={"range": "1y"}).status_code == 422
    answer = alice.get("overview/activity", params={"kind": "dataset"})
    assert answer.status_code == 422
    assert "use one of training" in answer.json()["error"]["message"]


def test_the_machines_hour_outlives_a_restart(platform: RunningPlatform, alice: httpx.Client) -> None:
    def history(after: float = 0.0) -> Any:
        return alice.get("system/history", params={"after": after}).json()

    def two_samples() -> Any:
        found = history()
        return found if len(found["at"]) >= 2 else None

    first = wait_until(two_samples, what="two samples")
    assert first["cpu"][-1] is None or 0 <= first["cpu"][-1] <= 1
    assert 0 < first["memory_bytes"][-1] <= first["machine"]["memory_total_bytes"]
    assert 0 < first["disk_bytes"][-1] <= first["machine"]["disk_total_bytes"]
    assert first["at"][0] not in history(after=first["at"][0])["at"]
    platform.stop()
    platform.start()
    with platform.client("alice") as again:
        at = again.get("system/history").json()["at"]
    assert set(first["at"]) <= set(at)


def test_counts_follow_what_a_viewer_may_read(database: Database) -> None:
    store = ResourceStore(database, KINDS)
    summaries = Summaries(database)
    for number, (owner, visibility, phase) in enumerate(
        [
            ("alice", Visibility.PRIVATE, "COMPLETE"),
            ("alice", Visibility.PUBLIC, "COMPLETE"),
            ("team", Visibility.PRIVATE, "FAIL_TRAIN"),
            ("bob", Visibility.PRIVATE, "RUNNING"),
        ]
    ):
        now = utc_now()
        spec = {"instance_type": "cpu-small"}
        record = Record(make_id("trn"), "training", owner, f"t{number}", 0, spec, phase, now, now)
        ended = None if phase == "RUNNING" else now
        store.create(replace(record, visibility=visibility, started_at=now, ended_at=ended), [])
    now = utc_now()
    buckets = Buckets(now - timedelta(hours=2), now, timedelta(hours=1))

    def seen(user: User) -> dict[str, int]:
        return {phase: count for (_, phase), count in summaries.counts(user).items()}

    assert seen(User("alice")) == {"COMPLETE": 2}
    assert seen(User("carol", frozenset({"team"}))) == {"COMPLETE": 1, "FAIL_TRAIN": 1}
    assert seen(User("root", admin=True)) == {"COMPLETE": 2, "FAIL_TRAIN": 1, "RUNNING": 1}
    assert sum(summaries.created(User("root", admin=True), "training", buckets)) == 4
    assert sum(summaries.ended(User("alice"), "training", "COMPLETE", buckets)) == 2
    assert [r.name for r in summaries.in_phases(User("bob"), "training", {"RUNNING"}, 5)] == ["t3"]
    used = summaries.instance_use(User("alice"), "training", buckets.edges()[0])
    assert [use.instance_type for use in used] == ["cpu-small", "cpu-small"]


def test_a_ring_stays_bounded_and_passes_over_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "ring.jsonl"
    now = time.time()
    ring = Ring(path, 20, now)
    for number in range(100):
        ring.append([now + number, number])
    ring.flush()
    assert [row[1] for row in ring.after(now + 97)] == [98, 99]
    assert len(path.read_bytes().splitlines()) <= 40
    with path.open("ab") as file:
        file.write(b'[12, "torn')
    again = Ring(path, 20, now)
    assert [row[1] for row in again.after(0)] == list(range(80, 100))
    assert b"torn" not in path.read_bytes()


def test_calls_of_an_endpoint_are_counted_between_two_looks(tmp_path: Path) -> None:
    answers = iter([counted(5, 1.0), counted(5, 1.0), counted(9, 2.0)])
    monitor = Monitor(tmp_path, Meter(tmp_path, 1.0), lambda: next(answers))
    for _ in range(7):
        monitor.sample()
    calls = monitor.calls("epn_1", 0.0)
    assert calls["success"] == [4]
    assert calls["latency_seconds"] == [0.25]
    assert monitor.calls("epn_2", 0.0)["at"] == []
    monitor.endpoints.flush()
    assert orjson.loads((tmp_path / "monitor" / "endpoints.jsonl").read_bytes())[1] == {"epn_1": [4, 0, 0, 1.0]}


def counted(success: int, seconds: float) -> Any:
    figures = {"success": success, "client_errors": 0, "server_errors": 0, "latency_seconds": {"total": seconds}}
    return {"endpoints": {"epn_1": figures}}
