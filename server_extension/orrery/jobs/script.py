"""Runs a script of a user's own under the `EM_*` contract: `python ENTRY --key value ...` in its source folder.

Its output goes to the log as it comes. Metrics are read from it by regular expressions, progress from the ways in which
training loops usually tell it. The script may tell both itself, by `orrery.jobs.report` or MLflow; then nothing is
guessed. A JSON file with everything it was given lies where `EM_CONFIG` says.

Where it is one of several ranks, lines in the log tell whose they are; only what rank 0 says counts as metric or
progress, for the others say the same.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

from orrery.executors.sampling import RANK
from orrery.jobs import distributed, report
from orrery.jobs.environments import python_for
from orrery.jobs.log_json import read_json_line
from orrery.jobs.log_progress import LAST_STEPS, LogProgress, read_epoch
from orrery.jobs.patterns import read_metric
from orrery.jobs.ranks import Failure, run_ranks
from orrery.jobs.torchrun import EXIT_NO_TORCH

REQUIREMENTS = "requirements.txt"
EXIT_STOPPED = 128 + signal.SIGTERM
_LINE = re.compile(rb"[\r\n]")
_LAST_LINES = 20
_LAST_LINES_OF_RANK = 8
#: a line longer than this is no line: it is cut for reading, never for the log
_LONGEST_LINE = 64 << 10


def run(
    folder: str,
    entry_point: str,
    parameters: Mapping[str, Any],
    flags: Mapping[str, Mapping[str, str]],
    metrics: Sequence[Mapping[str, str]] = (),
    torchrun: bool = False,
    processes: int = 1,
) -> None:
    """`folder` is relative to the work folder. Ends the process with the script's own status where that is not 0.

    `processes`: how many ranks torchrun starts on this node.
    """
    source = Path.cwd() / folder
    requirements = source / REQUIREMENTS
    python = python_for(requirements) if requirements.is_file() else Path(sys.executable)
    _make_folders()
    _write_config(parameters)
    command = [entry_point, *as_arguments(parameters, flags, os.environ.get("EM_CONFIG"))]
    print(f"$ {' '.join(['torchrun' if torchrun else 'python', *command])}", flush=True)
    node = distributed.this_node()
    environment = {
        **os.environ,
        **distributed.variables(node, processes, has_gpus=bool(os.environ.get("CUDA_VISIBLE_DEVICES"))),
        **distributed.threads_each(os.environ, processes),
    }
    # the script gets the signal itself, as one of the group; what it still says is waited for
    stopped: list[int] = []

    def on_term(signum: int, frame: FrameType | None) -> None:
        stopped.append(signum)

    signal.signal(signal.SIGTERM, on_term)
    ranks = range(node.rank * processes, (node.rank + 1) * processes)
    readers = {rank: LogReader(metrics, tells=rank == 0) for rank in ranks}
    if torchrun:
        status, failure = run_ranks(
            python,
            command,
            cwd=source,
            environment=environment,
            node=node,
            processes=processes,
            hear=lambda rank, piece: readers[rank].feed(piece),
        )
    else:
        status, failure = _run_alone(python, command, source, environment, node, readers[node.rank])
    for reader in readers.values():
        reader.finish()
    if stopped:
        sys.exit(EXIT_STOPPED)
    if torchrun and status == EXIT_NO_TORCH:
        report.fail("requirements", "torchrun needs PyTorch: add torch to requirements.txt, or train without torchrun")
    if status != 0:
        _fail(status, failure, readers, has_others=node.count * processes > 1)
    if ranks[0] == 0 and readers[0].metrics:
        report.result(readers[0].metrics)


def _run_alone(
    python: Path,
    command: Sequence[str],
    source: Path,
    environment: Mapping[str, str],
    node: distributed.Node,
    reader: LogReader,
) -> tuple[int, Failure | None]:
    """One process, which is the node's only rank."""
    process = subprocess.Popen(
        [str(python), "-u", *command],
        cwd=source,
        env={**environment, RANK: str(node.rank)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    labeller = distributed.Labeller(f"[rank {node.rank}] ".encode(), distributed.write_output)
    pass_on = labeller.feed if node.count > 1 else distributed.write_output
    # until everybody who could write has closed it
    while piece := os.read(process.stdout.fileno(), 1 << 16):
        pass_on(piece)
        reader.feed(piece)
    labeller.finish()
    status = process.wait()
    return status, Failure(node.rank, status, process.pid, time.time(), 0) if status else None


def _fail(status: int, failure: Failure | None, readers: Mapping[int, LogReader], *, has_others: bool) -> NoReturn:
    """Say which rank failed, and end as it did."""
    if failure is None:
        report.error("failed", f"exit code : {status}: torchrun failed before its ranks did; the log has its words")
        sys.exit(status if status > 0 else 128 - status)
    last = readers[failure.rank].last_lines
    rank = failure.rank if has_others else None
    message = explain_status(failure.status, failure.pid, last, rank=rank, peak_bytes=failure.peak_memory_bytes)
    details = {"status": failure.status, "pid": failure.pid, "rank": failure.rank, "at": failure.at}
    report.error("failed", message, **details)
    sys.exit(failure.status if failure.status > 0 else 128 - failure.status)


def as_arguments(
    parameters: Mapping[str, Any], flags: Mapping[str, Mapping[str, str]], config: str | None = None
) -> list[str]:
    """`--key value` for each; a list by its items, an object as JSON, null not at all.

    `flags`: the switches, each with the word for "on" and for "off" where there is one; options given once for "each"
    item; and those that are the path of a configuration ("config"), which get `config` where they are left out.
    """
    arguments: list[str] = []
    if config is not None:
        for key, words in flags.items():
            if "config" in words and parameters.get(key) is None:
                arguments += [words["config"], config]
    for key, value in parameters.items():
        if value is None:
            continue
        words = flags.get(key, {})
        if "each" in words and isinstance(value, list):
            arguments += [text for item in cast("list[Any]", value) for text in (words["each"], _as_text(item))]
        elif "on" in words or "off" in words:
            word = flags[key].get("on" if value else "off")
            arguments += [word] if word else []
        elif isinstance(value, list):
            arguments += [f"--{key}", *(_as_text(item) for item in value)]  # pyright: ignore[reportUnknownVariableType]
        else:
            arguments += [f"--{key}", _as_text(value)]
    return arguments


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def explain_status(
    status: int, pid: int, last_lines: Sequence[str], *, rank: int | None = None, peak_bytes: int = 0
) -> str:
    """Why it ended badly, in words, with the end of what it said. `rank`: where there were others."""
    why = f"exit code : {status} (pid: {pid})" + ("" if rank is None else f", rank {rank}")
    if status == -signal.SIGKILL:
        # whether for want of memory, the platform tells, which knows how much it had
        seen = f" (its memory peaked at {peak_bytes / (1 << 20):,.0f} MiB)" if peak_bytes else ""
        why += f": it was killed{seen}"
    elif status < 0:
        why += f": it crashed with {signal.Signals(-status).name}"
    return "\n".join([why, *last_lines[-3 if rank is None else -_LAST_LINES_OF_RANK :]])


class LogReader:
    """Reads metrics and progress from the lines that a program prints, and keeps the last ones.

    `tells`: whether it reports what it finds; else the last lines are all that it does.
    """

    def __init__(self, metrics: Sequence[Mapping[str, str]], *, tells: bool = True) -> None:
        self._tells = tells
        self._rest = b""
        self.patterns = [(metric["name"], re.compile(metric["pattern"])) for metric in metrics if metric.get("pattern")]
        #: the last value of each
        self.metrics: dict[str, float] = {}
        #: of what an attempt that this one goes on from has told
        self._before: dict[str, int] = json.loads(os.environ.get(LAST_STEPS) or "{}")
        self._steps: dict[str, int] = {}
        self._progress = LogProgress()
        self._last: deque[str] = deque(maxlen=_LAST_LINES)

    @property
    def last_lines(self) -> list[str]:
        return list(self._last)

    def feed(self, piece: bytes) -> None:
        *lines, rest = _LINE.split(self._rest + piece)
        for line in lines:
            self.read(line.decode("utf-8", "replace"))
        self._rest = rest[-_LONGEST_LINE:]

    def finish(self) -> None:
        if self._rest:
            self.read(self._rest.decode("utf-8", "replace"))
            self._rest = b""

    def read(self, line: str) -> None:
        if not line.strip():
            return
        self._last.append(line.rstrip()[:2000])
        if not self._tells:
            return
        told = read_json_line(line)
        if told is not None and told.metrics:
            known = {name for name, _ in self.patterns}
            found = {name: value for name, value in told.metrics.items() if name not in known}
            self.metrics |= found
            report.metrics(found, step=told.step)
        place = self._progress.read(line) if told is None else told.place
        if place is not None:
            report.progress(place.fraction, epoch=place.epoch, epochs=place.epochs, step=place.step, steps=place.steps)
        for name, pattern in self.patterns:
            found = read_metric(pattern, line)
            if found is not None:
                step = self._step_of(name, line) if found.step is None else found.step
                self._steps[name] = step
                self.metrics[name] = found.value
                report.metrics({name: found.value}, step=step)

    def _step_of(self, name: str, line: str) -> int:
        """The epoch that the line tells; else, and within an epoch, they are counted."""
        last, epoch = self._steps.get(name), read_epoch(line)
        if epoch is not None and (last is None or epoch > last):
            return epoch
        return (self._before.get(name, -1) if last is None else last) + 1


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
    document = {**config, "datasets": datasets, "hyperparameters": dict(parameters)}
    # each hyperparameter stands at the top as well, where a script looks first
    Path(path).write_text(json.dumps({**parameters, **document}, indent=2))
