"""Training workflows on a real platform: versions, runs, an endpoint that answers, kills, the SDK and the CLI."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orrery.api.auth import Signer
from orrery.client import Client
from orrery.domain.access import User
from orrery.testing.platform import RunningPlatform, create_dataset, put_object, wait_settled
from orrery.testing.waiting import wait_until


def table(noise: int, rows: int = 200) -> bytes:
    """The species is told by the width; of `noise` in ten rows it is not."""
    lines = [f"{i % 10},{i % 7},{'ab'[(i % 10 > 4) != (i % 10 < noise and i // 10 % 2 == 0)]}" for i in range(rows)]
    return "\n".join(["width,height,species", *lines]).encode()


@pytest.fixture
def platform() -> Iterator[RunningPlatform]:
    home = Path(tempfile.mkdtemp(prefix="orr-"))
    with RunningPlatform(home) as running:
        yield running
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def alice(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client("alice") as client:
        yield client


def sdk(platform: RunningPlatform) -> Client:
    token, _ = Signer.open(platform.home / "secrets" / "jwt.key").sign(User("alice"), 3600)
    return Client(platform.url, token)


def publish(client: httpx.Client, content: bytes) -> None:
    """The next version of iris, once its file has been read."""
    stored = put_object(client, content)
    files = [{"path": "data.csv", "oid": stored["oid"], "size": stored["size"]}]
    client.patch("datasets/iris", json={"spec": {"files": files}}).raise_for_status()
    assert wait_settled(client, "datasets", "iris")["status"]["phase"] == "READY"
    client.post("datasets/iris/publish", json={}).raise_for_status()


def prepare(client: httpx.Client) -> None:
    create_dataset(client, "iris", table(4), publish=False)
    client.post("datasets/iris/publish", json={}).raise_for_status()
    parameters = {"target": "species", "max_iter": 20}
    template = {"name": "quick", "spec": {"algorithm": "logistic-regression", "parameters": parameters}}
    client.post("templates", json=template).raise_for_status()


def runs_of(client: httpx.Client, total: int) -> Any:
    """The workflow once so many of its runs are over."""

    def ended() -> Any:
        answer = client.get("workflows/daily")
        if answer.status_code != 200:
            return None
        found = answer.json()
        counts = found["status"]["outputs"].get("runs") or {}
        return found if counts.get("total") == total and found["status"]["settled"] else None

    return wait_until(ended, seconds=240, what=f"the end of {total} runs")


def test_a_new_version_is_trained_and_the_endpoint_gets_it_if_it_is_better(
    platform: RunningPlatform, alice: httpx.Client
) -> None:
    prepare(alice)
    # what the endpoint serves before the workflow is there
    spec = {"algorithm": "logistic-regression", "datasets": {"train": "iris"}, "parameters": {"target": "species"}}
    alice.post("trainings", json={"name": "seed", "spec": spec}).raise_for_status()
    assert wait_settled(alice, "trainings", "seed")["status"]["phase"] == "COMPLETE"
    deployments = [{"model": "seed"}]
    alice.post("endpoints", json={"name": "live", "spec": {"deployments": deployments}}).raise_for_status()
    assert wait_settled(alice, "endpoints", "live")["status"]["phase"] == "ACTIVE"

    with sdk(platform) as client:
        made = client.workflows.create(
            "daily", template="quick", dataset="iris", metric="accuracy", endpoint="live", minimum_gain=0.01
        )
        made.wait(progress=False)
        assert made.status.phase == "ENABLED", made.status
        assert made.best is not None and made.last_run is not None
        assert made.best_model.qualified_name == "alice/daily@1"
        assert made.last_run["verdict"].endswith("is the first, and so the best; endpoint alice/live gets it")
        first = made.best["value"]

        # better: the species is told by the width in every row
        publish(alice, table(0))
        better = runs_of(alice, 2)["status"]["outputs"]
        assert better["best"]["value"] > first
        assert (better["best"]["name"], better["best"]["dataset_version"]) == ("alice/daily@2", 2)

        # worse: its model is registered, and neither the best nor served
        publish(alice, table(8))
        worse = runs_of(alice, 3)["status"]["outputs"]
        assert worse["best"] == better["best"]
        assert "is worse than the best" in worse["last_run"]["verdict"]
        assert alice.get("models/daily").json()["version"] == 3

        endpoint = wait_settled(alice, "endpoints", "live")
        assert endpoint["status"]["phase"] == "ACTIVE", endpoint["status"]
        assert [d["model"] for d in endpoint["spec"]["deployments"]] == [better["best"]["model"]]
        wait_until(
            lambda: (
                alice.get("endpoints/live").json()["status"]["outputs"]["deployments"][0]["model"] == "alice/daily@2"
            ),
            what="the better model behind the endpoint",
        )
        assert client.predict("live", [{"width": 9, "height": 1}, {"width": 0, "height": 1}]) == ["b", "a"]

        made.refresh()
        assert [run.spec["workflow"]["number"] for run in made.runs()] == [3, 2, 1]
        assert {run.status.phase for run in made.runs()} == {"COMPLETE"}
        lineage = {(item["kind"], item["name"]) for item in made.references()}
        assert lineage == {("template", "quick"), ("dataset", "iris"), ("endpoint", "live")}


def test_the_command_line_makes_and_runs_one(platform: RunningPlatform, alice: httpx.Client) -> None:
    prepare(alice)
    options = ["--template", "quick", "--dataset", "iris", "--metric", "accuracy", "--direction", "maximize"]
    done = platform.cli("workflow", "create", "daily", *options, "--wait", "-o", "json", user="alice")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"]["outputs"]["runs"]["total"] == 1
    assert "accuracy" in done.stderr and "is the first, and so the best" in done.stderr
    again = platform.cli("workflow", "run", "daily", "--wait", user="alice")
    assert again.returncode == 0, again.stderr
    assert "is the same as the best" in again.stderr
    listed = platform.cli("get", "workflows", user="alice")
    assert "daily" in listed.stdout and "Enabled" in listed.stdout.replace("ENABLED", "Enabled")
    exported = platform.cli("export", "training", "daily-1", user="alice")
    assert "model_name: daily" in exported.stdout and "workflow:" not in exported.stdout
    off = platform.cli("action", "workflow", "daily", "disable", user="alice")
    assert off.returncode == 0, off.stderr
    publish(alice, table(0))
    assert runs_of(alice, 2)["status"]["phase"] == "DISABLED"
    refused = platform.cli("workflow", "create", "other", *options[:-4], "--metric", "joy", user="alice")
    assert (refused.returncode, "emits no 'joy'" in refused.stderr) == (2, True)


def test_killed_again_and_again_it_trains_each_version_once(platform: RunningPlatform, alice: httpx.Client) -> None:
    prepare(alice)
    platform.port = int(platform.url.rpartition(":")[2])
    spec = {"template": "quick", "dataset": "iris", "metric": "accuracy"}

    def killed() -> None:
        platform.kill()
        platform.start()

    alice.post("workflows", json={"name": "daily", "spec": spec}).raise_for_status()
    killed()  # perhaps before it has begun anything
    wait_until(lambda: _answers(alice, "trainings/daily-1"), what="the first training")
    killed()  # perhaps while it runs
    publish(alice, table(0))
    killed()  # a version waits for the run before it, or its workflow does not know of it yet
    runs_of(alice, 2)
    killed()
    found = runs_of(alice, 2)
    trainings = alice.get("trainings", params={"order": "created_at"}).json()["items"]
    assert [training["name"] for training in trainings] == ["daily-1", "daily-2"]
    assert [training["status"]["outputs"]["attempt"] for training in trainings] == [1, 1]
    assert found["status"]["outputs"]["runs"]["completed"] == 2
    assert alice.get("models/daily").json()["version"] == 2


def _answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False
