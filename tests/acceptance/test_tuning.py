"""Tunings on a real platform: the search, its trials, its ends, and what survives a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from orrery import Client
from orrery.client.failures import RunFailed
from orrery.client.tunings import Tuning
from orrery.errors import Invalid, WrongPhase
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until

#: a hill with its top at (2, 3), reported step by step
HILL = """
import argparse, pathlib, os, time
from orrery.jobs import report
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, default=0.0)
parser.add_argument("--n", type=int, default=1)
parser.add_argument("--kind", choices=["flat", "steep"], default="flat")
parser.add_argument("--extra", type=float, default=0.0)
parser.add_argument("--pause", type=float, default=0.0)
parser.add_argument("--mute", action="store_true")
a = parser.parse_args()
height = 10 - (a.x - 2) ** 2 - (a.n - 3) ** 2 - (2 if a.kind == "flat" else 0) + a.extra
if a.x > 900:
    raise SystemExit("fell off")
for step in range(1, 6):
    report.metrics({"height": height * step / 5}, step=step)
    time.sleep(a.pause)
pathlib.Path(os.environ["EM_MODEL_DIR"], "weights.bin").write_bytes(str(height).encode())
if not a.mute:
    report.result({"height": height, "cost": abs(a.x)})
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment={"ORRERY_CORES": "8"}) as running:
        yield running


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def hill(platform: RunningPlatform) -> None:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        client.algorithms.create("hill", {"hill.py": HILL.encode()})


def test_a_tuning_finds_the_top(client: Client) -> None:
    tuning = client.tune(
        "hill",
        name="first",
        space={"x": "-5..5", "n": "1..8", "kind": "flat,steep"},
        objective="maximize:height",
        trials=12,
        parallel=3,
        seed=7,
        wait=True,
    )
    assert (tuning.status.phase, tuning.status.reason) == ("COMPLETE", "MaxTrialsReached")
    assert tuning.status.outputs["trials"]["completed"] == 12
