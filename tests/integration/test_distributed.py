"""Trainings of several nodes and processes on a real platform: torchrun with PyTorch's DDP, and without either."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orrery import Client
from orrery.client.builtin import Training
from orrery.client.resources import UsagePoint
from orrery.client.waiting import RunFailed
from orrery.errors import Invalid
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")

#: the same global batches whatever the number of ranks: each takes its share of every batch
DDP = """
import argparse, os
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=6)
epochs = parser.parse_args().epochs
dist.init_process_group(os.environ["ORRERY_DISTRIBUTED_BACKEND"])
rank, ranks = dist.get_rank(), dist.get_world_size()
print(f"rank {rank} of {ranks} on node {os.environ['GROUP_RANK']} by {dist.get_backend()}")
torch.manual_seed(0)
inputs = torch.randn(64, 8)
targets = inputs @ torch.randn(8, 1) + 0.5
model = DistributedDataParallel(torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(1, epochs + 1):
    total = torch.zeros(1)
    for batch in range(0, 64, 16):
        share = slice(batch + rank * 16 // ranks, batch + (rank + 1) * 16 // ranks)
        loss = torch.nn.functional.mse_loss(model(inputs[share]), targets[share])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach()
    dist.all_reduce(total)
    print(f"Epoch {epoch}/{epochs} loss={total.item() / 4 / ranks:.7f}")
dist.destroy_process_group()
"""

#: rank 3 dies amid the training as its argument says, while the others wait for it
DYING = """
import argparse, os, signal, sys
import torch
import torch.distributed as dist

parser = argparse.ArgumentParser()
parser.add_argument("--how")
how = parser.parse_args().how
dist.init_process_group("gloo")
rank = dist.get_rank()
dist.all_reduce(torch.ones(1))
print(f"rank {rank} has begun")
if rank == 3:
    print("rank 3 says its last words")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ValueError("a bad batch")
dist.all_reduce(torch.ones(1))
print("this is never reached")
"""

#: no framework at all: what every node is told
PLAIN = """
import json, os, sys
told = json.loads(os.environ["TF_CONFIG"])
address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
assert told["cluster"]["worker"][0] == address and len(told["cluster"]["worker"]) == 2
assert told["task"] == {"type": "worker", "index": int(os.environ["RANK"])}
assert os.environ["WORLD_SIZE"] == "2" and os.environ["LOCAL_RANK"] == "0"
print(f"node {os.environ['NODE_RANK']} is there")
print(f"score={os.environ['RANK']}1")
"""

#: rank 1 holds more than rank 0, and a child of rank 0 holds something as well; both wait for a file
HOLDING = """
import argparse, os, pathlib, subprocess, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--go")
go = pathlib.Path(parser.parse_args().go)
rank = int(os.environ["RANK"])
if rank == 0:
    hold = "import pathlib, sys, time\\nb = bytearray(50 << 20)\\nb[::4096] = b'x' * len(b[::4096])\\n"
    wait = "while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.05)"
    subprocess.Popen([sys.executable, "-c", hold + wait, str(go)])
block = bytearray((100 if rank else 1) << 20)
block[::4096] = b"x" * len(block[::4096])
while not go.exists():
    sum(range(100_000))
    time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    sizes = {"cpu-small": {"title": "1 core", "cores": 1, "memory_bytes": "1G"}}
    environment = {"ORRERY_CORES": "4", "ORRERY_INSTANCE_TYPES": json.dumps(sizes), "ORRERY_MEMORY_BYTES": "8G"}
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment=environment) as running:
        yield running


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


def train(client: Client, tmp_path: Path, name: str, code: str, **spec: Any) -> Training:
    """Followed to its end, whichever that is."""
    source = tmp_path / name
    source.mkdir()
    (source / "train.py").write_text(code)
    algorithm = client.algorithms.create(
        f"code-{name}", [source], metrics={"loss": r"loss=(\S+)", "score": r"score=(\d+)"}
    )
    made = client.trainings.create(name, algorithm=algorithm, register_model=False, **spec)
    try:
        return made.wait(progress=False)
    except RunFailed:
        return made.refresh()


@needs_torch
def test_two_nodes_of_two_processes_learn_what_one_process_learns(client: Client, tmp_path: Path) -> None:
    alone = train(client, tmp_path, "alone", DDP, torchrun=True)
    together = train(client, tmp_path, "together", DDP, torchrun=True, nodes=2, processes_per_node=2)
    for training in (alone, together):
        assert training.status.phase == "COMPLETE", (training.status.message, "\n".join(training.logs()))
    one, four = (
        [(point.step, point.value) for point in training.metrics_history()["loss"]] for training in (alone, together)
    )
    # exactly once an epoch: what the other ranks print is not counted
    assert len(one) == len(four) == 6
    assert one[-1][1] < one[0][1] / 2
    for (_, first), (_, second) in zip(one, four, strict=True):
        assert math.isclose(first, second, rel_tol=1e-3)
    assert together.status.progress is not None and together.status.progress.epoch == 6
    log = list(together.logs())
    for rank in range(4):
        assert f"[rank {rank}] rank {rank} of 4 on node {rank // 2} by gloo" in log
    assert "rank 0 of 1 on node 0 by gloo" in list(alone.logs())


@needs_torch
@pytest.mark.parametrize(
    ("how", "words"),
    [
        (
            "killed",
            (
                "exit code : -9 (pid: ",
                ", rank 3: it was killed",
                "not for want of memory",
                "peaked at ",
            ),
        ),
        # PyTorch exits with 1, or aborts while it tidies up
        ("raised", ("exit code : ", ", rank 3", "ValueError: a bad batch")),
    ],
)
def test_the_death_of_one_rank_ends_the_run_and_is_told_with_its_last_words(
    client: Client, tmp_path: Path, how: str, words: tuple[str, ...]
) -> None:
    training = train(
        client, tmp_path, how, DYING, torchrun=True, nodes=2, processes_per_node=2, parameters={"how": how}
    )
    message = training.status.message
    assert training.status.phase == "FAIL_TRAIN", message
    for word in (*words, "rank 3 says its last words"):
        assert word in message, message
    assert "rank 0 has begun" not in message
    assert "this is never reached" not in "\n".join(training.logs())


def test_nodes_find_each_other_without_torchrun(client: Client, tmp_path: Path) -> None:
    training = train(client, tmp_path, "plain", PLAIN, nodes=2)
    assert training.status.phase == "COMPLETE", (training.status.message, "\n".join(training.logs()))
    log = list(training.logs())
    assert "[rank 0] node 0 is there" in log and "[rank 1] node 1 is there" in log
    assert training.metrics == {"score": 1}
    assert list(training.logs(rank=1)) == ["node 1 is there", "score=11"]
    assert list(training.logs(rank=0, follow=True)) == ["node 0 is there", "score=01"]
    with pytest.raises(Invalid, match="ranks 0 to 1; 2 was asked for"):
        list(training.logs(rank=2))


def test_what_each_rank_uses_is_told_while_it_runs_and_kept(
    client: Client, platform: RunningPlatform, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    source = tmp_path / "holding"
    source.mkdir()
    (source / "train.py").write_text(HOLDING)
    algorithm = client.algorithms.create("code-holding", [source])
    training = client.trainings.create(
        "holding", algorithm=algorithm, register_model=False, nodes=2, parameters={"go": str(go)}
    )

    def live() -> dict[int | None, list[UsagePoint]] | None:
        history = training.usage_history()
        held = {rank: max((point.memory_bytes for point in points), default=0) for rank, points in history.items()}
        has_both = held.get(0, 0) > 50 << 20 and held.get(1, 0) > 100 << 20
        return history if has_both and any(point.cores for point in history[1]) else None

    history = wait_until(live, seconds=60, what="what both ranks use")
    # a child counts for its rank, and no rank for another
    assert max(point.memory_bytes for point in history[0]) < 100 << 20
    assert max(point.memory_bytes for point in history[None]) > 150 << 20
    assert all(point.gpus is None and point.gpu_memory_bytes is None for point in history[0])
    go.touch()
    training.wait(progress=False)
    kept = training.usage_history()
    assert kept.keys() == {None, 0, 1}
    assert [point.at for point in kept[1]][: len(history[1])] == [point.at for point in history[1]]
    found = platform.announcement
    shown = subprocess.run(
        [sys.executable, "-m", "orrery.client.cli", "usage", "training", "holding"],
        env={**os.environ, "ORRERY_URL": found["url"], "ORRERY_TOKEN": found["token"]},
        check=True,
        capture_output=True,
        text=True,
    )
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["RANK", "all", "0", "1"]


def test_what_cannot_be_distributed_is_refused(client: Client) -> None:
    with pytest.raises(Invalid, match=r"torchrun and processes_per_node need a script \(\.py\)"):
        client.trainings.create("many", algorithm="xgboost", processes_per_node=2)
    with pytest.raises(Invalid, match="set torchrun as well"):
        client.trainings.create("many", algorithm="xgboost", processes_per_node=2, torchrun=False)
    with pytest.raises(Invalid, match="trains on one node; several need a script or a notebook"):
        client.trainings.create("many", algorithm="logistic-regression", nodes=2)
