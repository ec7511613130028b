"""Measures what a job or replica uses while it runs: all of it, and each of the ranks that train together.

Which rank a process is of, its environment tells (`ORRERY_RANK`), which it inherits from the rank's first process.
A GPU counts for whom it was given to: nothing else runs on it. Standard library only: the shim loads it.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orrery.executors.family import descendants, measure
from orrery.executors.history import History, Moment, Use, capacity_for

if TYPE_CHECKING:
    from orrery.executors.meter import Gpus

#: the number of a rank, in the environment of its processes
RANK = "ORRERY_RANK"
#: how many ranks a job has in all, in its environment; not there: it is one process with what that starts
RANKS = "ORRERY_RANKS"
#: of what is to run for ever: at least the last hour, at the pace that the shim settles to
LATEST = 1440


class Sampler:
    """`is_endless`: of something that is to run for ever, of which the latest is kept.

    `shared_bytes`: what a program that was forked, not executed, has in common with the process that it came of. It
    takes no memory of its own, though the kernel counts it to the size of whatever is started from there.
    """

    def __init__(self, path: str, launch: Mapping[str, Any], *, is_endless: bool, shared_bytes: int = 0) -> None:
        environment: Mapping[str, str] = launch.get("environment") or {}
        ranks = _number(environment.get(RANKS), 1)
        self.peak_bytes = 0
        self._shared_bytes = shared_bytes
        self.cpu_seconds = 0.0
        self._ranks = _Ranks(ranks) if ranks > 1 else None
        capacity = LATEST if is_endless else capacity_for(ranks if ranks > 1 else 0)
        self._history = History(path, capacity, keeps_latest=is_endless)
        #: opened at the first sample: the program has been forked by then, and need not wait for the driver
        self._devices: Sequence[str] = launch.get("gpus") or ()
        self._gpus: GpuSeconds | None = None
        self._latest = Use(0.0, 0)
        #: a process of the shim's own
        self._left_out = 0

    def leave_out(self, pid: int) -> None:
        """A process below the shim that is no part of the program."""
        self._left_out = pid

    def sample(self, *, is_last: bool = False) -> int:
        """Measure and write down; returns the bytes of memory that all use together now."""
        program = [pid for pid in descendants(os.getpid()) if pid != self._left_out]
        family = {pid: found for pid in program if (found := measure(pid)) is not None}
        memory = sum(process.memory_bytes for process in family.values())
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = sum(process.cpu_seconds for process in family.values())
        self.cpu_seconds = max(self.cpu_seconds, cpu + ended.ru_utime + ended.ru_stime)
        # The largest single process that has ended, for what rose and fell between two samples.
        self.peak_bytes = max(self.peak_bytes, memory, ended.ru_maxrss * 1024 - self._shared_bytes)
        if self._devices and self._gpus is None:
            self._gpus, self._devices = GpuSeconds.open(self._devices), ()
        now = time.time()
        gpu_seconds, gpu_bytes = (None, None) if self._gpus is None else self._gpus.read(now)
        whole = Use(self.cpu_seconds, memory, gpu_seconds, gpu_bytes)
        if is_last and not family:
            # all have ended: what they held last is the newest that is known
            whole = whole._replace(memory_bytes=self._latest.memory_bytes)
        self._latest = whole
        ranks = {} if self._ranks is None else self._ranks.look(family, self._gpus)
        try:
            (self._history.finish if is_last else self._history.add)(Moment(now, whole, ranks))
        except OSError:
            pass  # a full disk costs samples, never the job
        return memory


class _Ranks:
    """The processes of each rank."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._rank_of: dict[int, int] = {}
        self._devices: dict[int, tuple[str, ...]] = {}
        self._cpu_seconds: dict[int, float] = {}

    def look(self, family: Mapping[int, Any], gpus: GpuSeconds | None) -> dict[int, Use]:
        """`family`: measured processes by their ids, parents before their children."""
        known: dict[int, int] = {}
        for pid, process in family.items():
            rank = self._rank_of.get(pid)
            if rank is None:
                # asked again until it tells: between fork and exec a process has its parent's environment
                rank = self._read(pid)
            if rank is None:
                rank = known.get(process.parent)
            if rank is not None:
                known[pid] = rank
        self._rank_of = known
        found: dict[int, Use] = {}
        for rank in sorted(set(known.values())):
            members = [family[pid] for pid, other in known.items() if other == rank]
            cpu = max(self._cpu_seconds.get(rank, 0.0), sum(process.cpu_seconds for process in members))
            self._cpu_seconds[rank] = cpu
            seconds, held = (None, None) if gpus is None else gpus.of(self._devices.get(rank, ()))
            found[rank] = Use(cpu, sum(process.memory_bytes for process in members), seconds, held)
        return found

    def _read(self, pid: int) -> int | None:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                lines = file.read().decode("utf-8", "replace").split("\0")
        except OSError:
            return None
        environment = {name: value for name, _, value in (line.partition("=") for line in lines)}
        rank = _number(environment.get(RANK), -1)
        if not 0 <= rank < self._count:
            return None
        self._devices.setdefault(rank, devices_of(environment))
        return rank


def devices_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The GPUs that a rank computes on: of those of its node the one of its local rank, else all of them."""
    visible = [device for device in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if device]
    if visible and _number(environment.get("LOCAL_WORLD_SIZE"), 1) > 1:
        return (visible[_number(environment.get("LOCAL_RANK"), 0) % len(visible)],)
    return tuple(visible)


class GpuSeconds:
    """How long each of a job's GPUs was in use since the first look."""

    def __init__(self, gpus: Gpus, devices: Sequence[str]) -> None:
        self._gpus = gpus
        self._at: float | None = None
        #: seconds in use, None where the driver does not tell; bytes held
        self._seen: dict[str, tuple[float | None, int]] = dict.fromkeys(devices, (None, 0))

    @staticmethod
    def open(devices: Sequence[str]) -> GpuSeconds | None:
        # only here: it takes more than all else that the shim loads
        from orrery.executors.meter import open_gpus

        gpus = open_gpus()
        return None if gpus is None else GpuSeconds(gpus, devices)

    def read(self, now: float) -> tuple[float | None, int | None]:
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        for index, reading in self._gpus.read_each().items():
            device = str(index)
            if device in self._seen:
                before = self._seen[device][0]
                used = before if reading.used is None else (before or 0.0) + reading.used * passed
                self._seen[device] = (used, reading.memory_bytes)
        return self.of(tuple(self._seen))

    def of(self, devices: Sequence[str]) -> tuple[float | None, int | None]:
        """Seconds in use and bytes held, of these devices together."""
        seen = [self._seen[device] for device in devices if device in self._seen]
        if not seen:
            return None, None
        seconds = [used for used, _ in seen if used is not None]
        return sum(seconds) if seconds else None, sum(held for _, held in seen)


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdecimal() else otherwise
