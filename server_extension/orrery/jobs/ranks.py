"""The ranks of one node under torchrun: started, their output told apart, the first that fails named.

Each rank writes into a named pipe of its own (`orrery.jobs.rank`), so that lines of several never mix; its memory is
looked at while it runs, and the moment of its end is noted, for of several that fail the first is the cause.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from orrery.executors.family import descendants, usage
from orrery.jobs.distributed import Labeller, Node, precedence, read_some, write_output

_HERE: Final = Path(__file__).parent
FIRST_LOOK_SECONDS: Final = 0.25
LAST_LOOK_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Failure:
    """How a rank ended badly."""

    rank: int
    #: negative for a signal
    status: int
    pid: int
    #: seconds since 1970
    at: float
    #: the most that the rank and what it started were seen to use together
    peak_memory_bytes: int


@dataclass
class _Rank:
    number: int
    output: int
    labeller: Labeller
    hear: Callable[[int, bytes], None]
    pid: int | None = None
    ended_fd: int | None = None
    ended_at: float | None = None
    peak_bytes: int = 0
    _head: bytes = field(default=b"")

    def feed(self, piece: bytes) -> None:
        if self.pid is None:
            head, line_end, piece = (self._head + piece).partition(b"\n")
            if not line_end:
                self._head = head
                return
            self.pid = int(head)
            try:
                self.ended_fd = os.pidfd_open(self.pid)
            except ProcessLookupError:
                self.ended_at = time.time()
        self.labeller.feed(piece)
        self.hear(self.number, piece)

    def look(self) -> None:
        if self.pid is not None and self.ended_at is None:
            _, memory = usage([self.pid, *descendants(self.pid)])
            self.peak_bytes = max(self.peak_bytes, memory)


def run_ranks(
    python: Path,
    command: Sequence[str],
    *,
    cwd: Path,
    environment: dict[str, str],
    node: Node,
    processes: int,
    hear: Callable[[int, bytes], None],
) -> tuple[int, Failure | None]:
    """torchrun's status, and the failure that caused it where a rank failed.

    `command`: the script and its arguments. `hear` gets what each rank prints, with its number among all, as it comes.
    Lines are labelled in the log unless the job has one rank only.
    """
    folder = Path(tempfile.mkdtemp(prefix=".ranks-", dir=Path.cwd()))
    try:
        ranks = [_make_rank(folder, node, processes, index, hear) for index in range(processes)]
        torchrun = subprocess.Popen(
            [*_torchrun(python, folder, node, processes), *command],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        _follow(torchrun, ranks)
        return torchrun.wait(), _read_failure(folder / "failure.json", ranks)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_rank(folder: Path, node: Node, processes: int, index: int, hear: Callable[[int, bytes], None]) -> _Rank:
    path = folder / str(index)
    os.mkfifo(path, 0o600)
    # opened for both, so that it neither waits for a writer nor ends with one
    output = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    number = node.rank * processes + index
    label = b"" if node.count * processes == 1 else f"[rank {number}] ".encode()
    return _Rank(number, output, Labeller(label, write_output), hear)


def _torchrun(python: Path, folder: Path, node: Node, processes: int) -> list[str]:
    host, port = node.master
    return [
        *(str(python), "-u", "-P", str(_HERE / "torchrun.py"), str(folder / "failure.json")),
        *("--nnodes", str(node.count), "--node-rank", str(node.rank), "--nproc-per-node", str(processes)),
        *("--master-addr", host, "--master-port", port, "--log-dir", str(folder / "torchrun")),
        *(str(_HERE / "rank.py"), str(folder)),
    ]


def _follow(torchrun: subprocess.Popen[bytes], ranks: Sequence[_Rank]) -> None:
    """Pass on what torchrun and its ranks print, until torchrun has ended and nothing more is there."""
    assert torchrun.stdout is not None
    own, own_output = Labeller(b"", write_output), torchrun.stdout.fileno()
    os.set_blocking(own_output, False)
    ended = os.pidfd_open(torchrun.pid)
    by_output = {rank.output: rank for rank in ranks}
    by_end: dict[int, _Rank] = {}
    period = FIRST_LOOK_SECONDS
    next_look = time.monotonic() + period
    has_ended = False
    with selectors.DefaultSelector() as selector:
        for descriptor in (own_output, ended, *by_output):
            selector.register(descriptor, selectors.EVENT_READ)
        while not has_ended:
            for key, _ in selector.select(max(0.0, next_look - time.monotonic())):
                if key.fd == ended:
                    has_ended = True
                elif rank := by_end.get(key.fd):
                    rank.ended_at = time.time()
                    selector.unregister(key.fd)
                elif rank := by_output.get(key.fd):
                    _pass_on(key.fd, rank.feed)
                    if rank.ended_fd is not None and rank.ended_fd not in by_end:
                        by_end[rank.ended_fd] = rank
                        selector.register(rank.ended_fd, selectors.EVENT_READ)
                elif _pass_on(key.fd, own.feed) == b"":
                    selector.unregister(key.fd)
            if time.monotonic() >= next_look:
                for rank in ranks:
                    rank.look()
                period = min(LAST_LOOK_SECONDS, period * 1.5)
                next_look = time.monotonic() + period
    for descriptor, feed in ((own_output, own.feed), *((rank.output, rank.feed) for rank in ranks)):
        while _pass_on(descriptor, feed):
            continue
    for labeller in (own, *(rank.labeller for rank in ranks)):
        labeller.finish()
    for descriptor in (ended, *by_output, *by_end):
        os.close(descriptor)


def _pass_on(descriptor: int, feed: Callable[[bytes], None]) -> bytes | None:
    piece = read_some(descriptor)
    if piece:
        feed(piece)
    return piece


def _read_failure(path: Path, ranks: Sequence[_Rank]) -> Failure | None:
    """The first cause among the failures: see `precedence`."""
    try:
        told = cast("list[dict[str, Any]]", json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    by_number = {rank.number: rank for rank in ranks}
    failures = [_make_failure(by_number[failure["rank"]], failure) for failure in told]
    return min(failures, key=lambda failure: (precedence(failure.status), failure.at))


def _make_failure(rank: _Rank, told: dict[str, Any]) -> Failure:
    return Failure(rank.number, int(told["status"]), int(told["pid"]), rank.ended_at or time.time(), rank.peak_bytes)
