"""A platform started by `orrery up`, the command line that finds it, and the data of the main job."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orrery.testing.platform import RunningPlatform

ORRERY = (sys.executable, "-m", "orrery.client.cli")


class CommandLine(RunningPlatform):
    """A platform as a user of the shell has it."""

    columns = "120"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        own = {name: value for name, value in os.environ.items() if not name.startswith("ORRERY_")}
        self.environment = {**own, "ORRERY_HOME": str(home), "NO_COLOR": "1", "COLUMNS": "120"}

    def __enter__(self) -> CommandLine:
        self.start()
        return self

    @property
    def token(self) -> str:
        return self.announcement["token"]

    def start(self) -> None:
        """`orrery up`; returns when it answers."""
        command = [*ORRERY, "up", "--port", "0", "--home", str(self.home)]
        with (self.home / "platform-test.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.wait_ready()

    def wait_ended(self) -> None:
        """Wait until the process has gone, and take its exit code, as a shell does with its children."""
        assert self._process is not None
        self._process.wait(60)

    def ask(self, *arguments: str) -> Any:
        """What a command that must succeed answers as JSON."""
        result = self.cli(*arguments, "-o", "json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


@pytest.fixture(scope="session")
def shell() -> Iterator[CommandLine]:
    """One platform for the tests of the command line and the SDK; they name their resources apart."""
    # short: sockets within it must stay under 108 characters
    home = Path(tempfile.mkdtemp(prefix="orrery-"))
    with CommandLine(home) as running:
        yield running
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
    parts: dict[str, Any] = {"train": train, "held-out": held_out, "breast": frame}
    for name, part in parts.items():
        part.to_csv(folder / f"{name}.csv", index=False)
    return BreastCancer(
        train=folder / "train.csv",
        held_out=folder / "held-out.csv",
        whole=folder / "breast.csv",
        rows=parts["held-out"].drop(columns="diagnosis").to_dict("records"),
        targets=list(parts["held-out"]["diagnosis"]),
    )
