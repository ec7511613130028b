"""The server's own processes, from /proc: what they use, grouped by the kernel or terminal that started them.

A process belongs to the server if it carries the server's mark in its environment, which everything that it starts
inherits, also what detaches itself (`nohup`, a daemon); or if a process that belongs to it started it. The platform
that a server starts for one person alone is given no mark, and is none of it.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orrery.extension.activity.use import WATCHERS, GroupReading

MARK: Final = "ORRERY_SERVER_MARK"
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_GPU: Final = re.compile(r"/dev/nvidia(\d+)")
_ROOT: Final = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process at one moment. `spent_seconds` counts the children that it has seen end as well."""

    pid: int
    parent: int
    name: str
    own_seconds: float
    spent_seconds: float
    memory_bytes: int
    started_ticks: int


@dataclass(frozen=True)
class Groups:
    """`by_root`: the processes below each pid that was asked for; the rest but the server itself is `background`."""

    by_root: Mapping[int, GroupReading]
    background: GroupReading
    background_name: str
    cores: float | None
    memory_bytes: int


def make_mark() -> str:
    """Mark everything that this process starts from now on."""
    os.environ[MARK] = uuid.uuid4().hex
    return os.environ[MARK]


def read_process(pid: int, root: Path = _ROOT) -> Process | None:
    """None for one that has ended."""
    try:
        text = (root / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    if fields[0] in "ZX":
        return None
    own, children = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return Process(
        pid=pid,
        parent=int(fields[1]),
        name=head.partition("(")[2],
        own_seconds=own / _TICKS,
        spent_seconds=(own + children) / _TICKS,
        memory_bytes=int(fields[21]) * _PAGE,
        started_ticks=int(fields[19]),
    )


def read_io(pid: int, root: Path = _ROOT) -> int:
    """Bytes that it has read and written so far; 0 where that is not told."""
    try:
        lines = (root / str(pid) / "io").read_text("ascii").splitlines()
    except OSError:
        return 0
    counts = dict(line.split(": ") for line in lines)
    return int(counts.get("rchar", 0)) + int(counts.get("wchar", 0))


def read_gpus(pid: int, root: Path = _ROOT) -> set[int]:
    """The GPUs whose device it has open: pids that the driver tells mean nothing inside a container, this does."""
    found: set[int] = set()
    try:
        for entry in os.scandir(root / str(pid) / "fd"):
            match = _GPU.fullmatch(os.readlink(entry.path))
            if match:
                found.add(int(match[1]))
    except OSError:
        return found
    return found


@dataclass
class _Known:
    started_ticks: int
    is_marked: bool


@dataclass
class ProcessTable:
    """Reads again and again. `pid` is the server itself. Not thread-safe."""

    pid: int
    mark: str
    has_gpus: bool = False
    root: Path = _ROOT
    _known: dict[int, _Known] = field(default_factory=dict[int, _Known])
    _before: dict[int, float] = field(default_factory=dict[int, float])
    _spent_before: dict[int, float] = field(default_factory=dict[int, float])
    _read_at: float | None = None

    def read(self, now: float, roots: Collection[int]) -> Groups:
        """`now` on any clock that only moves forward; `roots` are the pids of kernels and of terminals' shells."""
        mine = self._mine()
        group_of = self._assign(mine, roots)
        members: dict[int, list[Process]] = {root: [] for root in roots}
        rest: list[Process] = []
        for pid, process in mine.items():
            group = group_of[pid]
            if group in members:
                members[group].append(process)
            elif pid != self.pid:
                rest.append(process)
        cores = self._cores(now, mine.values())
        busiest = max(rest, key=lambda process: self._spent_since(process), default=None)
        groups = {root: self._sum(found) for root, found in members.items()}
        background = self._sum(rest)
        self._spent_before = {pid: process.spent_seconds for pid, process in mine.items()}
        return Groups(
            by_root=groups,
            background=background,
            background_name=busiest.name if busiest else "",
            cores=cores,
            memory_bytes=sum(process.memory_bytes for process in mine.values()),
        )

    def _mine(self) -> dict[int, Process]:
        processes: dict[int, Process] = {}
        pids = [int(name) for name in os.listdir(self.root) if name.isdecimal()]
        for pid in pids:
            known = self._known.get(pid)
            if known is not None and not known.is_marked:
                # of others only the parent matters, and that it is there: read once
                continue
            process = read_process(pid, self.root)
            if process is None:
                continue
            if known is None or known.started_ticks != process.started_ticks:
                self._known[pid] = _Known(process.started_ticks, pid == self.pid or self._is_marked(pid))
            processes[pid] = process
        for gone in self._known.keys() - set(pids):
            del self._known[gone]
        mine = {pid: process for pid, process in processes.items() if self._known[pid].is_marked}
        # what one of them started belongs to it, whatever it made of its environment
        while True:
            more = {
                pid: process
                for pid, process in processes.items()
                if pid not in mine and process.parent in mine and process.parent != self.pid
            }
            if not more:
                break
            mine |= more
            for pid in more:
                self._known[pid].is_marked = True
        return mine

    def _is_marked(self, pid: int) -> bool:
        try:
            environment = (self.root / str(pid) / "environ").read_bytes()
        except OSError:
            return False
        return f"{MARK}={self.mark}".encode() in environment.split(b"\0")

    def _assign(self, mine: Mapping[int, Process], roots: Collection[int]) -> dict[int, int]:
        """pid -> the root above it, or the server."""
        found: dict[int, int] = {}
        for pid in mine:
            at = pid
            while at not in roots and at in mine and at != self.pid:
                at = mine[at].parent
            found[pid] = at if at in roots else self.pid
        return found

    def _sum(self, processes: Iterable[Process]) -> GroupReading:
        cpu, moved, memory, gpus = 0.0, 0, 0, set[int]()
        for process in processes:
            memory += process.memory_bytes
            if process.name in WATCHERS:
                continue
            cpu += process.spent_seconds
            moved += read_io(process.pid, self.root)
            if self.has_gpus:
                gpus |= read_gpus(process.pid, self.root)
        return GroupReading(cpu, moved, memory, tuple(sorted(gpus)))

    def _spent_since(self, process: Process) -> float:
        return process.spent_seconds - self._spent_before.get(process.pid, process.spent_seconds)

    def _cores(self, now: float, processes: Iterable[Process]) -> float | None:
        """Cores in use by all of them since the read before; None at the first."""
        own = {process.pid: process.own_seconds for process in processes}
        before, began = self._before, self._read_at
        self._before, self._read_at = own, now
        if began is None or now <= began:
            return None
        return sum(max(0.0, spent - before.get(pid, 0.0)) for pid, spent in own.items()) / (now - began)
