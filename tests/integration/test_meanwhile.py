"""A training that waits for a GPU starts a copy on CPU meanwhile, on a machine that is said to have one GPU."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orrery import Client
from orrery.client.builtin import Training
from orrery.errors import Invalid, NotFound, WrongPhase
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until
from orrery_widgets import Queue

#: waits for a file; `--depth` says how many GiB it is told to take
HOLDING = """
import argparse, pathlib, time
parser = argparse.ArgumentParser()
parser.add_argument("--go")
parser.add_argument("--depth", type=int, default=0)
go = pathlib.Path(parser.parse_args().go)
while not go.exists():
    time.sleep(0.05)
"""
SIZES = {
    "serve-small": {"cores": 0.1, "memory_bytes": "512M"},
    "cpu-small": {"cores": 1, "memory_bytes": "1G"},
    "cpu-medium": {"cores": 2, "memory_bytes": "4G"},
    "gpu-small": {"cores": 1, "memory_bytes": "1G", "gpus": 1},
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    environment = {
        "CUDA_VISIBLE_DEVICES": "0",
        "ORRERY_CORES": "4",
        "ORRERY_MEMORY_BYTES": "8G",
        "ORRERY_INSTANCE_TYPES": json.dumps(SIZES),
    }
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment=environment) as running:
        yield running


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


@pytest.fixture
def go(tmp_path: Path) -> Iterator[Path]:
    """What all trainings of a test wait for: they end with it, whatever became of it."""
    path = tmp_path / "go"
    yield path
    path.touch()


@pytest.fixture
def waiting(client: Client, tmp_path: Path, go: Path, request: pytest.FixtureRequest) -> Iterator[Training]:
    """One that waits for the GPU, which another holds."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:40].strip("-")
    source = tmp_path / "code"
    source.mkdir()
    (source / "train.py").write_text(HOLDING)
    client.algorithms.create(name, [source], metrics={"score": r"score=(\S+)"}).update(memory={"bytes": "GiB * depth"})
    wait_running(train(client, name, f"{name}-1", go))
    second = train(client, name, name, go)
    wait_until(lambda: "queue" in second.refresh().status.outputs, what="a place in the queue")
    yield second
    go.touch()
    for training in client.trainings.list():
        wait_until(lambda one=training: one.refresh().has_settled(), what=f"{training.name} ends")


def train(client: Client, algorithm: str, name: str, go: Path, depth: int = 0, **spec: Any) -> Training:
    spec = {"instance_type": "gpu-small", "register_model": False, **spec}
    return client.trainings.create(name, algorithm=algorithm, parameters={"go": str(go), "depth": depth}, **spec)


def wait_running(training: Training) -> None:
    wait_until(lambda: training.refresh().status.phase == "RUNNING", what=f"{training.name} runs")


def test_a_copy_starts_at_once_and_the_other_keeps_its_place(
    client: Client, platform: RunningPlatform, waiting: Training, go: Path
) -> None:
    assert waiting.status.outputs["queue"]["meanwhile"] == "cpu-small"
    (item,) = client.queue()["items"]
    assert item["meanwhile"] == "cpu-small"
    shown = platform.cli("queue").stderr
    assert (
        f"may start on cpu-small meanwhile: orrery action training {item['owner']}/{waiting.name} start-on-cpu" in shown
    )

    copy = waiting.start_on_cpu()
    assert copy.name == f"{waiting.name}-cpu" and copy.spec["instance_type"] == "cpu-small"
    assert copy.spec["parameters"] == waiting.spec["parameters"]
    wait_running(copy)
    waiting.refresh()
    assert waiting.status.phase == "CREATE_IN_PROGRESS"
    assert waiting.status.outputs["queue"]["place"] == 1

    # each leads to the other, and what runs already is offered no more
    assert copy.spec["meanwhile_of"] == {"training": waiting.id, "name": waiting.name}
    assert waiting.status.outputs["meanwhile"] == {"training": copy.id, "name": copy.name}
    assert waiting.status.outputs["queue"]["meanwhile"] is None
    assert waiting.start_on_cpu() == copy
    # lineage goes on from the copy, which is none of the other's dependents
    origins = {one["path"]: one["id"] for one in copy.references()}
    assert origins.keys() == {"algorithm", "meanwhile_of.training"}
    assert origins["meanwhile_of.training"] == waiting.id
    assert waiting.dependents() == []
    # a copy made by a user is nobody's meanwhile
    assert copy.copy("another").spec["meanwhile_of"] is None

    go.touch()
    assert copy.wait(progress=False).status.phase == "COMPLETE"
    assert waiting.wait(progress=False).status.phase == "COMPLETE"
    # neither needs the other
    waiting.delete()
    with pytest.raises(NotFound):
        client.trainings.get(waiting.name)


def test_a_copy_that_was_stopped_makes_room_for_another(client: Client, waiting: Training) -> None:
    first = waiting.start_on_cpu()
    wait_running(first)
    first.stop()
    wait_until(lambda: first.refresh().status.phase == "STOPPED", what="it is stopped")
    second = waiting.refresh().start_on_cpu()
    assert second != first and second.name == f"{waiting.name}-cpu-2"
    assert waiting.refresh().status.outputs["meanwhile"]["training"] == second.id


def test_the_memory_that_it_needs_decides_the_size(client: Client, waiting: Training, go: Path) -> None:
    larger = train(client, waiting.name, "larger", go, depth=2)
    too_large = train(client, waiting.name, "too-large", go, depth=6)
    for training in (larger, too_large):
        wait_until(lambda one=training: "queue" in one.refresh().status.outputs, what="a place in the queue")
    assert larger.start_on_cpu().spec["instance_type"] == "cpu-medium"
    assert too_large.status.outputs["queue"]["meanwhile"] is None
    with pytest.raises(Invalid, match="fits into no instance type without a GPU: needs about 6 GiB of memory"):
        too_large.start_on_cpu()


def test_it_is_refused_in_words_where_it_could_not_start(
    client: Client, platform: RunningPlatform, waiting: Training, go: Path
) -> None:
    on_cpu = train(client, waiting.name, "on-cpu", go, instance_type="cpu-small")
    wait_running(on_cpu)
    with pytest.raises(WrongPhase, match="is RUNNING; start on CPU meanwhile is possible in"):
        on_cpu.start_on_cpu()
    # no core is left
    filling = train(client, waiting.name, "filling", go, instance_type="cpu-medium")
    wait_running(filling)
    with pytest.raises(Invalid, match="on cpu-small would not start at once either: waits"):
        waiting.start_on_cpu()
    late = train(client, waiting.name, "late", go, instance_type="cpu-medium")
    wait_until(lambda: "queue" in late.refresh().status.outputs, what="a place in the queue")
    with pytest.raises(Invalid, match=r"asks for no GPU \(cpu-medium\)"):
        late.start_on_cpu()
    assert late.status.outputs["queue"]["meanwhile"] is None
    filling.stop()
    with platform.client("root", admin=True) as root:
        limits = {"everyone": {"cores": 2}}
        root.patch("queue/limits", json=limits).raise_for_status()
        try:
            with pytest.raises(Invalid, match=r"would not start at once either: waits for .* limit of 2 cores"):
                waiting.start_on_cpu()
            root.post("queue/pause", json={"reason": "new disks"}).raise_for_status()
            with pytest.raises(Invalid, match="nothing starts: the queue is paused by root: new disks"):
                waiting.start_on_cpu()
        finally:
            root.post("queue/resume").raise_for_status()
            root.patch("queue/limits", json={"everyone": None}).raise_for_status()


def test_a_trial_is_not_run_on_another_size_than_the_others(client: Client, waiting: Training, go: Path) -> None:
    tuning = client.tune(
        waiting.name,
        name="tuned",
        space={"depth": {"low": 0, "high": 1}},
        objective="maximize:score",
        parameters={"go": str(go)},
        trials=1,
        instance_type="gpu-small",
    )

    def trial() -> Training | None:
        made = [training for training in client.trainings.list() if (training.spec["trial"] or {}).get("tuning")]
        return made[0] if made and "queue" in made[0].refresh().status.outputs else None

    found = wait_until(trial, what="its trial waits")
    assert found.spec["trial"]["tuning"] == tuning.id and found.status.outputs["queue"]["meanwhile"] is None
    with pytest.raises(Invalid, match="is a trial, and its tuning compares runs on gpu-small"):
        found.start_on_cpu()
    tuning.stop()
    wait_until(lambda: tuning.refresh().has_settled(), what="the tuning ends")


def test_the_queue_in_a_notebook_starts_the_copy_and_offers_no_other(client: Client, waiting: Training) -> None:
    panel = Queue(client=client)
    wait_until(lambda: panel.offers_cpu(waiting.id), what="the panel offers it")
    assert not any(panel.offers_cpu(one.id) for one in panel.running), "only what waits for a GPU"
    panel.start_on_cpu(waiting.id)
    panel.settle()
    assert panel.problem == ""
    assert f"{waiting.name}-cpu starts on cpu-small; {waiting.name} keeps its place" in panel.status
    copy = client.trainings.get(f"{waiting.name}-cpu")
    wait_running(copy)
    wait_until(lambda: not panel.offers_cpu(waiting.id), what="what runs already is offered no more")
    assert panel.line_of(waiting.id).startswith("<b>1.</b>"), "the one that waits keeps its place"
    panel.close()
