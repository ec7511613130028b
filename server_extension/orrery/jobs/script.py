"""Runs a script of a user's own under the `EM_*` contract: `python ENTRY --key value ...` in its source folder.

Its output goes to the log as it comes. Metrics are read from it by regular expressions, progress from the ways in which
training loops usually tell it. The script may tell both itself, by `orrery.jobs.report` or MLflow; then nothing is
guessed. A JSON file with everything it was given lies where `EM_CONFIG` says.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from orrery.jobs import report
from orrery.jobs.environments import python_for
from orrery.jobs.patterns import read_metric

REQUIREMENTS = "requirements.txt"
EXIT_STOPPED = 128 + signal.SIGTERM
_LINE = re.compile(rb"[\r\n]")
_EPOCH = re.compile(
    r"\b(?P<unit>epoch|step|iteration|iter|round)\s*:?\s*\[?\s*(?P<done>\d+)\s*(?:/|of)\s*(?P<all>\d+)", re.I
)
_LAST_LINES = 20
#: a line longer than this is no line: it is cut for reading, never for the log
_LONGEST_LINE = 64 << 10


def run(
    folder: str,
    entry_point: str,
    parameters: Mapping[str, Any],
    flags: Mapping[str, Mapping[str, str]],
    metrics: Sequence[Mapping[str, str]] = (),
) -> None:
    """`folder` is relative to the work folder. Ends the process with the script's own status where that is not 0."""
    source = Path.cwd() / folder
    requirements = source / REQUIREMENTS
    python = python_for(requirements) if requirements.is_file() else Path(sys.executable)
    _make_folders()
    _write_config(parameters)
    command = [str(python), "-u", entry_point, *as_arguments(parameters, flags)]
    print(f"$ {' '.join(['python', *command[2:]])}", flush=True)
    process = subprocess.Popen(
        command, cwd=source, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    # the script gets the signal itself, as one of the group; what it still says is waited for
    stopped: list[int] = []

    def on_term(signum: int, frame: FrameType | None) -> None:
        stopped.append(signum)

    signal.signal(signal.SIGTERM, on_term)
    reader = LogReader(metrics)
    assert process.stdout is not None
    reader.follow(process.stdout.fileno())
    status = process.wait()
    if stopped:
        sys.exit(EXIT_STOPPED)
    if status != 0:
        report.error("failed", explain_status(status, process.pid, reader.last_lines), status=status, pid=process.pid)
        sys.exit(status if status > 0 else 128 - status)
    if reader.metrics:
        report.result(reader.metrics)


def as_arguments(parameters: Mapping[str, Any], flags: Mapping[str, Mapping[str, str]]) -> list[str]:
    """`--key value` for each; a list by its items, an object as JSON, null not at all.

    `flags`: the switches, each with the word for "on" and for "off" where there is one.
    """
    arguments: list[str] = []
    for key, value in parameters.items():
        if value is None:
            continue
        if key in flags:
            word = flags[key].get("on" if value else "off")
            arguments += [word] if word else []
        elif isinstance(value, list):
            arguments += [f"--{key}", *(_as_text(item) for item in value)]  # pyright: ignore[reportUnknownVariableType]
        else:
            arguments += [f"--{key}", _as_text(value)]
    return arguments


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def explain_status(status: int, pid: int, last_lines: Sequence[str]) -> str:
    """Why it ended badly, in words, with the end of what it said."""
    if status == -signal.SIGKILL:
        why = (
            f"exit code : -9 (pid: {pid}): it was killed, most likely for want of memory; choose a larger instance type"
        )
    elif status < 0:
        why = f"exit code : {status} (pid: {pid}): it crashed with {signal.Signals(-status).name}"
    else:
        why = f"exit code : {status} (pid: {pid})"
    return "\n".join([why, *last_lines[-3:]])


class LogReader:
    """Passes output on to the log, and reads metrics and progress from its lines."""

    def __init__(self, metrics: Sequence[Mapping[str, str]]) -> None:
        self.patterns = [(metric["name"], re.compile(metric["pattern"])) for metric in metrics if metric.get("pattern")]
        #: the last value of each
        self.metrics: dict[str, float] = {}
        self._steps: dict[str, int] = {}
        self._told = (0, 0)
        self._last: deque[str] = deque(maxlen=_LAST_LINES)

    @property
    def last_lines(self) -> list[str]:
        return list(self._last)

    def follow(self, descriptor: int) -> None:
        """Until everybody who could write has closed it."""
        rest = b""
        while piece := os.read(descriptor, 1 << 16):
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            *lines, rest = _LINE.split(rest + piece)
            for line in lines:
                self.read(line.decode("utf-8", "replace"))
            rest = rest[-_LONGEST_LINE:]
        if rest:
            self.read(rest.decode("utf-8", "replace"))

    def read(self, line: str) -> None:
        if not line.strip():
            return
        self._last.append(line.rstrip()[:2000])
        epoch = _EPOCH.search(line)
        if epoch is not None:
            self._tell_progress(epoch["unit"].lower(), int(epoch["done"]), int(epoch["all"]))
        for name, pattern in self.patterns:
            found = read_metric(pattern, line)
            if found is not None:
                step = self._steps.get(name, -1) + 1 if found.step is None else found.step
                self._steps[name] = step
                self.metrics[name] = found.value
                report.metrics({name: found.value}, step=step)

    def _tell_progress(self, unit: str, done: int, of: int) -> None:
        if (done, of) == self._told or not 0 < of or done > of:
            return
        self._told = (done, of)
        if unit == "epoch":
            report.progress(done / of, epoch=done, epochs=of)
        else:
            report.progress(done / of, step=done, steps=of)


def _make_folders() -> None:
    """What the contract promises to be there."""
    for name in ("EM_MODEL_DIR", "EM_OUTPUT_DIR", "EM_CHECKPOINT_DIR", "EM_TENSORBOARD_LOG_DIR"):
        if os.environ.get(name):
            Path(os.environ[name]).mkdir(parents=True, exist_ok=True)


def _write_config(parameters: Mapping[str, Any]) -> None:
    """Everything it was given, for a script that reads a file."""
    path = os.environ.get("EM_CONFIG")
    if not path:
        return
    names = {
        "model_dir": "EM_MODEL_DIR",
        "output_dir": "EM_OUTPUT_DIR",
        "checkpoint_dir": "EM_CHECKPOINT_DIR",
        "checkpoint_input_dir": "EM_CHECKPOINT_INPUT_DIR",
        "tensorboard_log_dir": "EM_TENSORBOARD_LOG_DIR",
    }
    config = {key: os.environ.get(variable, "") for key, variable in names.items()}
    datasets: Any = json.loads(os.environ.get("EM_DATASETS") or "{}")
    Path(path).write_text(json.dumps({**config, "datasets": datasets, "hyperparameters": dict(parameters)}, indent=2))
