"""A tuning outlives the machine that its trials ran on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orrery import Client
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until

SLOW = b"""
import argparse, time
from orrery.jobs import report
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, default=0.0)
x = parser.parse_args().x
for step in range(1, 6):
    report.metrics({"height": -x * x}, step=step)
    time.sleep(2)
"""


def test_a_restart_of_the_machine_costs_no_trial(tmp_path: Path) -> None:
    """`kill -9` of the platform and of all its jobs, twice, while trials run: they are run again as they were."""
    with RunningPlatform(tmp_path / "home", environment={"ORRERY_CORES": "8"}) as platform:
        found = platform.announcement
        with Client(found["url"], found["token"]) as client:
            client.algorithms.create("slow", {"slow.py": SLOW})
            client.tune(
                "slow",
                name="reboot",
                space={"x": "-5..5"},
                objective="maximize:height",
                trials=2,
                parallel=2,
                max_failed=0,
            )
        suggested: list[Any] = []
        for attempt in (1, 2):
            wait_until(lambda attempt=attempt: _told(platform, attempt) == 2, what=f"two trials, attempt {attempt}")
            platform.kill()
            platform.end_jobs()
            platform.start()
            with platform.client() as client:
                trials = client.get("tunings/reboot/trials").json()["items"]
                suggested.append([(trial["number"], trial["parameters"], trial["training"]["id"]) for trial in trials])
        found = platform.announcement
        with Client(found["url"], found["token"]) as client:
            tuning = client.tunings.get("reboot").wait(progress=False)
            assert (tuning.status.phase, tuning.status.reason) == ("COMPLETE", "MaxTrialsReached")
            trials = tuning.trials()
            assert [trial["status"] for trial in trials] == ["SUCCEEDED"] * 2
            assert [
                [(trial["number"], trial["parameters"], trial["training"]["id"]) for trial in trials]
            ] * 2 == suggested
            trainings = list(client.trainings.list())
            assert [training.status.outputs["attempt"] for training in trainings] == [3, 3]


def _told(platform: RunningPlatform, attempt: int) -> int:
    """How many trainings have told a metric in that attempt, and run."""
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        return sum(
            bool(training.status.phase == "RUNNING" and training.metrics_history())
            for training in client.trainings.list()
            if training.status.outputs.get("attempt") == attempt
        )
