"""Trainings side by side, by the SDK and the command line, of a real platform."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from orrery import Client
from orrery.client.builtin import Training
from orrery.client.comparisons import Setting
from orrery.errors import Invalid, NotFound
from orrery.testing.platform import RunningPlatform

#: its loss is least in the middle; `divide` makes it end in what is no number
TRAIN = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.5)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--divide", action="store_true")
given = parser.parse_args()
for step in range(1, given.rounds + 1):
    last = step == given.rounds
    loss = float("nan") if last and given.divide else given.rate * (1 if step == 2 else 2)
    print(f"step={step} loss={loss} accuracy={given.rate}")
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with RunningPlatform(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


@pytest.fixture(scope="module")
def trainings(client: Client, tmp_path_factory: pytest.TempPathFactory) -> list[Training]:
    script = tmp_path_factory.mktemp("code") / "train.py"
    script.write_text(TRAIN)
    patterns = {
        "loss": r"step=(?P<step>\d+) loss=(?P<value>\S+)",
        "accuracy": r"step=(?P<step>\d+).*accuracy=(?P<value>\S+)",
    }
    client.algorithms.create("hill", script, metrics=patterns, progress=False)
    given = {"one": {"rate": 0.25}, "two": {}, "three": {"rate": 0.5, "divide": True}}
    begun = [client.trainings.create(name, algorithm="hill", parameters=p) for name, p in given.items()]
    return [training.wait(progress=False) for training in begun]


def test_what_differs_is_told_with_its_origin_and_the_best_of_each_metric(
    client: Client, trainings: list[Training]
) -> None:
    found = client.compare("one", trainings[1], "three")
    assert [training.name for training in found.trainings] == ["one", "two", "three"]
    assert {row.name: row.settings for row in found.differing} == {
        "rate": (Setting(0.25, "given"), Setting(0.5, "default"), Setting(0.5, "given")),
        "divide": (Setting(False, "default"), Setting(False, "default"), Setting(True, "given")),
    }
    assert [row.name for row in found.parameters] == ["rate", "divide", "rounds"]
    metrics = {row.name: row for row in found.metrics}
    loss, accuracy = metrics["loss"], metrics["accuracy"]
    assert (loss.goal, loss.last[:2], loss.best, loss.winners) == ("minimize", (0.5, 1.0), (0.25, 0.5, 0.5), (0,))
    assert loss.last[2] is not None
    assert math.isnan(loss.last[2])
    assert (accuracy.goal, accuracy.last, accuracy.winners) == ("maximize", (0.25, 0.5, 0.5), (1, 2))


def test_fewer_than_two_one_twice_or_one_that_is_not_there_is_refused(
    client: Client, trainings: list[Training]
) -> None:
    with pytest.raises(Invalid, match="1 trainings were given; it takes at least 2"):
        client.compare("one")
    with pytest.raises(Invalid, match="/one was given twice"):
        client.compare("one", trainings[0])
    with pytest.raises(NotFound, match="nothing-like-it"):
        client.compare("one", "nothing-like-it")


def compare(platform: RunningPlatform, *words: str) -> subprocess.CompletedProcess[str]:
    found = platform.announcement
    return subprocess.run(
        [sys.executable, "-m", "orrery.client.cli", "compare", *words],
        env={**os.environ, "ORRERY_URL": found["url"], "ORRERY_TOKEN": found["token"]},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_line_shows_a_table_and_the_whole_as_json(
    platform: RunningPlatform, client: Client, trainings: list[Training]
) -> None:
    shown = compare(platform, "one", "two", "three")
    assert shown.returncode == 0, shown.stderr
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert lines[0] == "ONE TWO THREE"
    assert lines[1] == "state Completed Completed Completed"
    assert lines[2].startswith("duration ")
    assert sorted(lines[3:]) == [
        "accuracy, last 0.25 0.5 * 0.5 *",
        "divide false (default) false (default) true",
        "loss, best 0.25 0.5 0.5",
        "loss, last 0.5 * 1 nan",
        "rate 0.25 0.5 (default) 0.5",
    ]
    assert "rounds" in compare(platform, "one", "two", "--all").stdout
    document = json.loads(compare(platform, "one", "three", "-o", "json").stdout)
    assert document == client.compare("one", "three").to_json()
    assert next(metric for metric in document["metrics"] if metric["name"] == "loss")["last"] == [0.5, "NaN"]
    assert compare(platform, "one").returncode == 2
