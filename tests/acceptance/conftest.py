"""A real platform for the acceptance tests: `orrery up` on a free port, over a home of its own."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

START_SECONDS = 60.0


@dataclass
class RunningPlatform:
    """`orrery up` as a process, and the command line that finds it."""

    home: Path
    url: str = ""
    token: str = ""
    process: subprocess.Popen[bytes] | None = None
    #: a free port at the first start, the same one after
    port: int = 0
    environment: dict[str, str] = field(default_factory=dict[str, str])

    def start(self) -> None:
        """Returns when it answers."""
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("ORRERY_")}
        self.environment |= {"ORRERY_HOME": str(self.home), "NO_COLOR": "1", "COLUMNS": "120"}
        announced = self.home / "run" / "platform.json"
        announced.unlink(missing_ok=True)
        with (self.home / "up.log").open("ab") as log:
            command = [
                sys.executable,
                "-m",
                "orrery.client.cli",
                "up",
                "--port",
                str(self.port),
                "--home",
                str(self.home),
            ]
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers(announced):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the platform did not start:\n{(self.home / 'up.log').read_text()[-4000:]}")
            time.sleep(0.05)

    def _answers(self, announced: Path) -> bool:
        with contextlib.suppress(OSError, ValueError, httpx.TransportError):
            document: dict[str, Any] = json.loads(announced.read_text())
            self.url, self.token = document["url"], document["token"]
            self.port = int(self.url.rsplit(":", 1)[1])
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200
        return False

    def kill(self) -> None:
        """As `kill -9` does: nothing is wound up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> None:
        """SIGTERM, and wait until it has gone."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(30)
            raise AssertionError(f"it did not stop:\n{(self.home / 'up.log').read_text()[-4000:]}") from None

    def cli(self, *arguments: str, stdin: str = "", timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run `orrery ARGUMENTS...` as a user of this platform."""
        return subprocess.run(
            [sys.executable, "-m", "orrery.client.cli", *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def ask(self, *arguments: str) -> Any:
        """What a command that must succeed answers as JSON."""
        result = self.cli(*arguments, "-o", "json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


@pytest.fixture(scope="session")
def platform() -> Iterator[RunningPlatform]:
    """One platform for all tests of the session; each names its resources so that none meets another's."""
    # short: sockets within it must stay under 108 characters
    home = Path(tempfile.mkdtemp(prefix="orrery-"))
    running = RunningPlatform(home)
    running.start()
    yield running
    running.stop()
    shutil.rmtree(home, ignore_errors=True)


@dataclass(frozen=True)
class BreastCancer:
    """scikit-learn's data as CSV: what is learnt from, what is held out, and all of it."""

    train: Path
    held_out: Path
    whole: Path
    #: the held-out rows without their target, and their targets
    rows: list[dict[str, float]]
    targets: list[str]


@pytest.fixture(scope="session")
def breast_cancer(tmp_path_factory: pytest.TempPathFactory) -> BreastCancer:
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    folder = tmp_path_factory.mktemp("breast")
    data: Any = load_breast_cancer(as_frame=True)
    frame = data.frame.rename(columns={"target": "diagnosis"})
    frame["diagnosis"] = [str(data.target_names[value]) for value in frame["diagnosis"]]
    train, held_out = train_test_split(frame, test_size=0.25, random_state=0, stratify=frame["diagnosis"])
    for name, part in (("train", train), ("held-out", held_out), ("breast", frame)):
        part.to_csv(folder / f"{name}.csv", index=False, quoting=csv.QUOTE_MINIMAL)
    return BreastCancer(
        train=folder / "train.csv",
        held_out=folder / "held-out.csv",
        whole=folder / "breast.csv",
        rows=held_out.drop(columns="diagnosis").to_dict("records"),
        targets=list(held_out["diagnosis"]),
    )
