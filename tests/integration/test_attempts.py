"""A run that was started again: what its earlier attempts printed and measured is still there to look at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orrery import Client, RunFailed
from orrery.api.assembly import assemble
from orrery.api.attempts import check_log_is_kept
from orrery.client.builtin import Training
from orrery.controllers.contract import NewResource
from orrery.controllers.settings import Settings
from orrery.domain.access import User
from orrery.domain.experiments import EXPERIMENT
from orrery.errors import Invalid, NotFound
from orrery.testing.platform import RunningPlatform

#: fails until the file is there
TRAIN = """
import argparse, pathlib, sys
parser = argparse.ArgumentParser()
parser.add_argument("--go", required=True)
there = pathlib.Path(parser.parse_args().go).exists()
print(f"the file is {'there' if there else 'missing'}")
print(f"loss={1.0 if there else 9.0}")
sys.exit(0 if there else 3)
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
def retried(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Training:
    folder = tmp_path_factory.mktemp("code")
    (folder / "train.py").write_text(TRAIN)
    go = folder / "go"
    client.algorithms.create("waits", folder / "train.py", metrics={"loss": r"loss=(\S+)"}, progress=False)
    training = client.trainings.create("twice", algorithm="waits", parameters={"go": str(go)})
    with pytest.raises(RunFailed):
        training.wait(progress=False)
    go.touch()
    return training.retry().wait(progress=False)


def test_the_log_and_the_metrics_of_each_attempt_are_told_apart(retried: Training) -> None:
    assert retried.status.outputs["attempt"] == 2
    for attempt, word, loss in ((1, "missing", 9.0), (2, "there", 1.0), (None, "there", 1.0)):
        assert f"the file is {word}" in list(retried.logs(attempt=attempt))
        assert f"the file is {word}" in list(retried.logs(attempt=attempt, follow=True))
        assert [p.value for p in retried.metrics_history(attempt=attempt)["loss"]] == [loss]
    (found,) = retried.logs(search="FILE IS", attempt=1)
    assert found.endswith(": the file is missing")


@pytest.mark.parametrize(("seen", "begins"), [("1:2", "$ python "), ("2:2", "python "), ("2", "$ python ")])
def test_a_broken_stream_goes_on_in_the_attempt_that_it_was_in(
    platform: RunningPlatform, retried: Training, seen: str, begins: str
) -> None:
    found = platform.announcement
    headers = {"Authorization": f"Bearer {found['token']}", "Last-Event-ID": seen}
    answer = httpx.get(f"{found['url']}/api/v1/trainings/twice/logs?follow=1", headers=headers)
    first = next(line for line in answer.text.splitlines() if line.startswith("data: "))
    assert json.loads(first.removeprefix("data: "))["text"].startswith(begins)
    assert "event: end" in answer.text


def test_an_attempt_that_there_was_not_is_refused(client: Client, platform: RunningPlatform, retried: Training) -> None:
    with pytest.raises(Invalid, match="has attempts 1 to 2; 3 was asked for"):
        list(retried.logs(attempt=3))
    with pytest.raises(Invalid, match="has attempts 1 to 2; 3 was asked for"):
        retried.metrics_history(attempt=3)
    experiment = client.experiments.create("none")
    with pytest.raises(Invalid, match=r"experiment .* has no attempts; 1 was asked for"):
        list(experiment.logs(attempt=1))
    found = platform.announcement
    answer = httpx.get(
        f"{found['url']}/api/v1/trainings/twice/logs?attempt=0", headers={"Authorization": f"Bearer {found['token']}"}
    )
    assert answer.status_code == 422
    assert "attempt" in answer.json()["error"]["message"]


def test_the_command_line_prints_an_earlier_attempt(platform: RunningPlatform, retried: Training) -> None:
    found = platform.announcement

    def logs(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orrery.client.cli", "logs", "training", retried.name, *words],
            env={**os.environ, "ORRERY_URL": found["url"], "ORRERY_TOKEN": found["token"]},
            capture_output=True,
            text=True,
            check=False,
        )

    assert "the file is missing" in logs("--attempt", "1").stdout
    assert "the file is there" in logs().stdout
    refused = logs("--attempt", "7")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "has attempts 1 to 2; 7 was asked for" in refused.stderr


def test_a_log_that_is_not_kept_any_more_is_told_as_that(tmp_path: Path) -> None:
    assembly = assemble(Settings(home=tmp_path / "home"))
    try:
        record = assembly.commands.create(User("ann"), EXPERIMENT, NewResource(name="e", spec={}))
        check_log_is_kept(assembly.platform.executor, record, None)
        with pytest.raises(NotFound, match="the log of attempt 1 of experiment ann/e is not kept any more"):
            check_log_is_kept(assembly.platform.executor, record, 1)
    finally:
        assembly.tunings.studies.close()
        assembly.algorithms.fetches.close()
        assembly.platform.store.database.close()
