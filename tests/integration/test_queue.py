"""The queue on a real platform: turns, limits, the pause over a restart, and when a start is foretold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from orrery.testing.platform import RunningPlatform, create_dataset, wait_settled
from orrery.testing.waiting import wait_until

CSV = b"width,height,species\n" + b"".join(b"%d,%d,%s\n" % (i % 7, i % 5, b"ab"[i % 2 : i % 2 + 1]) for i in range(200))
LONG = 10_000


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    limits = '{"groups": {"students": {"memory_bytes": "4G"}}}'
    environment = {"ORRERY_CORES": "1", "ORRERY_LIMITS": limits}
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment=environment) as running:
        for user in ("alice", "bob"):
            with running.client(user) as client:
                create_dataset(client, "iris", CSV)
        yield running


@pytest.fixture
def alice(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client("alice") as client:
        yield client


@pytest.fixture
def bob(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client("bob") as client:
        yield client


@pytest.fixture
def root(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client("root", admin=True) as client:
        yield client
        client.post("queue/resume").raise_for_status()


def train(client: httpx.Client, name: str, rounds: int = 5, **spec: Any) -> httpx.Response:
    parameters = {"target": "species", "rounds": rounds}
    spec = {"algorithm": "xgboost", "datasets": {"train": "iris"}, "parameters": parameters, **spec}
    return client.post("trainings", json={"name": name, "spec": spec})


def phase(client: httpx.Client, name: str) -> str:
    return client.get(f"trainings/{name}").json()["status"]["phase"]


def stop(client: httpx.Client, *names: str) -> None:
    for name in names:
        client.post(f"trainings/{name}/stop").raise_for_status()
    for name in names:
        wait_settled(client, "trainings", name)


def waiting(client: httpx.Client, count: int) -> list[Any]:
    def read() -> list[Any] | None:
        items = client.get("queue").json()["items"]
        return items if len(items) == count else None

    return wait_until(read, what=f"a queue of {count}")


def test_another_user_comes_between_the_jobs_of_one(alice: httpx.Client, bob: httpx.Client) -> None:
    train(alice, "a1", LONG).raise_for_status()
    wait_until(lambda: phase(alice, "a1") == "RUNNING", what="the first")
    for name in ("a2", "a3"):
        train(alice, name, LONG).raise_for_status()
    train(bob, "b1", LONG).raise_for_status()
    assert [item["owner"] for item in waiting(alice, 3)] == ["bob", "alice", "alice"]

    def second() -> bool:
        # what its page tells is renewed a moment later
        place = alice.get("trainings/a2").json()["status"]["outputs"]["queue"]
        return place["place"] == 2 and place["reason"].endswith("number 2 in line, bob/b1 is next")

    wait_until(second, what="a2's place")
    alice.post("trainings/a1/stop").raise_for_status()
    wait_until(lambda: phase(bob, "b1") == "RUNNING", what="bob's turn")
    assert phase(alice, "a2") == "CREATE_IN_PROGRESS"
    stop(alice, "a3", "a2")
    stop(bob, "b1")


def test_a_limit_set_at_run_time_holds_back_and_refuses(
    alice: httpx.Client, root: httpx.Client, platform: RunningPlatform
) -> None:
    answer = alice.patch("queue/limits", json={"users": {"alice": {"jobs": 0}}})
    assert answer.status_code == 403
    assert "only administrators" in answer.json()["error"]["message"]
    changed = root.patch("queue/limits", json={"users": {"alice": {"memory_bytes": "1G"}}})
    assert changed.json()["users"] == {"alice": {"memory_bytes": 1 << 30}}
    refused = train(alice, "never")
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "unschedulable"
    assert "alice's limit is 1 GiB of memory: choose a smaller" in refused.json()["error"]["message"]
    root.patch("queue/limits", json={"users": {"alice": {"jobs": 0}}}).raise_for_status()
    root.patch("queue/limits", json={"users": {"alice": {"memory_bytes": None}}}).raise_for_status()
    assert train(alice, "never").json()["error"]["message"] == (
        "nothing can start: alice's limit is 0 running jobs: ask an administrator to raise the limit"
    )
    root.patch("queue/limits", json={"users": {"alice": {"jobs": None, "cores": 0.5}}}).raise_for_status()
    assert train(alice, "never").json()["error"]["message"].endswith("(no instance type of a run is small enough)")
    root.patch("queue/limits", json={"users": {"alice": None}}).raise_for_status()
    with platform.client("alice", groups=("students",)) as student:
        refused = train(student, "never", instance_type="cpu-medium")
        assert "the limit of group students is 4 GiB" in refused.json()["error"]["message"]
        assert [limit["whose"] for limit in student.get("queue").json()["limits"]] == ["group students"]
    for change, told in (
        ({"everyone": {"cores": -1}}, "everyone.cores: must be at least 0, not -1"),
        ({"users": {"alice": {"share": 1e-320}}}, "users.alice.share: must be at least 0.001, not 1e-320"),
        ({"users": {"alice": {"share": 1e9}}}, "users.alice.share: must be at most 1000"),
        ({"users": {"": {"jobs": 1}}}, "users: one of the names is empty; say whose limit it is"),
    ):
        refused = root.patch("queue/limits", json=change)
        assert refused.status_code == 422
        assert told in refused.json()["error"]["message"]


def test_a_pause_lasts_over_a_restart_and_says_who_and_why(
    alice: httpx.Client, root: httpx.Client, platform: RunningPlatform
) -> None:
    assert alice.post("queue/pause").status_code == 403
    paused = root.post("queue/pause", json={"reason": "new disks"}).json()["pause"]
    assert (paused["by"], paused["reason"], paused["draining"], paused["running"]) == ("root", "new disks", False, 0)
    train(alice, "held").raise_for_status()
    held = waiting(alice, 1)[0]
    assert held["reason"] == "nothing starts: the queue is paused by root: new disks"
    assert held["starts_in_seconds"] is None
    shown = platform.cli("queue", user="alice").stdout
    assert "paused by root" in shown and "in about" not in shown
    platform.kill()
    platform.start()
    with platform.client("alice") as again, platform.client("root", admin=True) as admin:
        assert again.get("queue").json()["pause"]["reason"] == "new disks"
        assert again.get("overview").json()["queue"]["pause"]["by"] == "root"
        assert phase(again, "held") == "CREATE_IN_PROGRESS"
        assert admin.post("queue/drain").json()["pause"]["draining"] is True
        assert admin.post("queue/resume").json()["pause"] is None
        assert wait_settled(again, "trainings", "held")["status"]["phase"] == "COMPLETE"


def test_the_start_is_foretold_once_like_jobs_have_run(platform: RunningPlatform) -> None:
    with platform.client("alice") as alice:
        train(alice, "known").raise_for_status()
        wait_settled(alice, "trainings", "known")
        train(alice, "runs", LONG).raise_for_status()
        wait_until(lambda: phase(alice, "runs") == "RUNNING", what="the one that runs")

        def with_estimate() -> Any:
            return (alice.get("trainings/runs").json()["status"]["progress"] or {}).get("eta_seconds")

        left = wait_until(with_estimate, what="its own estimate")
        train(alice, "next").raise_for_status()
        seconds = wait_until(lambda: waiting(alice, 1)[0]["starts_in_seconds"], what="the estimate")
        assert 0 < seconds <= left + 60
        shown = alice.get("trainings/next").json()["status"]["outputs"]["queue"]
        assert shown["starts_in_seconds"] == pytest.approx(seconds, abs=60)
        with platform.client("root", admin=True) as root:
            # at once, though an answer was worked out a moment ago
            assert root.post("queue/pause").json()["items"][0]["starts_in_seconds"] is None
            assert root.post("queue/resume").json()["items"][0]["starts_in_seconds"] is not None
        stop(alice, "next", "runs")


def test_a_run_that_could_never_start_is_refused_when_it_is_made(bob: httpx.Client) -> None:
    before = bob.get("trainings").json()["items"]
    refused = train(bob, "wide", algorithm="xgboost", nodes=9)
    assert refused.status_code == 422
    error = refused.json()["error"]
    assert error["code"] == "unschedulable"
    assert error["details"]["fields"][0]["path"] == "spec.nodes"
    assert error["message"] == (
        "9 nodes of cpu-small can never start here: 9 cores asked for; this machine has 1 core in all: ask for less "
        "(at most 1 node of it can be had)"
    )
    refused = train(bob, "no-gpu", instance_type="gpu-small")
    assert refused.status_code == 422
    assert refused.json()["error"]["details"]["fields"][0]["path"] == "spec.instance_type"
    assert refused.json()["error"]["message"].endswith("ask for less (what fits: cpu-small)")
    spec = {"algorithm": "xgboost", "datasets": {"train": "iris"}, "instance_type": "gpu-small"}
    search = {"space": {"max_depth": {"type": "int", "low": 2, "high": 4}}, "objectives": ["maximize:roc_auc"]}
    tuning = {**spec, **search, "parameters": {"target": "species"}}
    assert bob.post("tunings", json={"name": "t", "spec": tuning}).json()["error"]["code"] == "unschedulable"
    sweep = {"name": "s", "spec": {**spec, "parameters": {"target": "species"}}, "parameters": {"max_depth": [2, 3]}}
    refused = bob.post("trainings/sweep", json=sweep)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unschedulable")
    assert "max_depth=2: instance type gpu-small can never start here" in refused.json()["error"]["message"]
    assert bob.get("trainings").json()["items"] == before


def test_a_run_that_begins_later_is_listed_with_its_moment(
    alice: httpx.Client, bob: httpx.Client, platform: RunningPlatform
) -> None:
    train(alice, "tonight", start_after="2100-01-01T22:00:00+00:00", priority="LOW").raise_for_status()
    later = wait_until(lambda: alice.get("queue").json()["later"], what="the run of later")
    assert later[0]["title"] == "tonight"
    assert (later[0]["starts_at"], later[0]["priority"]) == ("2100-01-01T22:00:00Z", "LOW")
    assert later[0]["reason"] == "was asked to start no earlier than 2100-01-01 22:00 UTC"
    assert alice.get("overview").json()["queue"]["later"] == later
    hidden = bob.get("queue").json()["later"][0]
    assert (hidden["owner"], hidden["title"], hidden["resource"], hidden["reason"]) == ("alice", "", None, "")
    shown = platform.cli("queue", user="alice").stdout
    assert "tonight" in shown and "2100-01-01 22:00" in shown
    stop(alice, "tonight")
    assert alice.get("queue").json()["later"] == []


def test_a_waiting_run_is_given_another_priority_by_its_owner_and_by_administrators(
    alice: httpx.Client, bob: httpx.Client, root: httpx.Client, platform: RunningPlatform
) -> None:
    train(alice, "over").raise_for_status()
    wait_settled(alice, "trainings", "over")
    root.post("queue/pause").raise_for_status()
    for count, name in enumerate(("one", "two", "three"), start=1):
        train(alice, name).raise_for_status()
        waiting(alice, count)
    assert [item["title"] for item in waiting(alice, 3)] == ["one", "two", "three"]
    done = platform.cli("queue", "priority", "three", "high", user="alice")
    assert done.returncode == 0, done.stderr

    def titles() -> list[str]:
        return [item["title"] for item in waiting(alice, 3)]

    wait_until(lambda: titles() == ["three", "one", "two"], what="three at the head")
    assert alice.get("trainings/three").json()["spec"]["priority"] == "HIGH"
    assert [item["priority_can_change"] for item in waiting(bob, 3)] == [False] * 3
    ids = {name: alice.get(f"trainings/{name}").json()["id"] for name in ("one", "two")}
    assert bob.patch(f"trainings/{ids['two']}", json={"spec": {"priority": "HIGH"}}).status_code == 404
    root.patch(f"trainings/{ids['one']}", json={"spec": {"priority": "LOW"}}).raise_for_status()
    wait_until(lambda: titles() == ["three", "two", "one"], what="one at the end")
    ended = alice.patch("trainings/over", json={"spec": {"priority": "HIGH"}})
    assert (ended.status_code, ended.json()["error"]["code"]) == (409, "wrong_phase")
    assert "counts only while it waits" in ended.json()["error"]["message"]
    assert alice.patch("trainings/two", json={"spec": {"priority": "urgent"}}).status_code == 422
    assert alice.patch("trainings/two", json={"spec": {"nodes": 1}}).status_code == 422
    nothing = platform.cli("queue", "priority", "two", user="alice")
    assert nothing.returncode == 2 and "orrery queue priority breast-1 high" in nothing.stderr
    stop(alice, "one", "two", "three")
