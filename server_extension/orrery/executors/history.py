"""What a run used over time, in a file that stays small however long it runs.

Each line tells how much had been used until then (processor, GPUs), and how much was held at most since the line before
it (memory). When the file is full, lines go into those after them until half are left, and from then on they are
written as far apart as these: a sum stays right, and no peak is lost. Standard library only: the shim loads it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

#: so many lines at most
CAPACITY = 600
#: of many ranks fewer, so that a file has at most about so many figures
MOST_USES = 24_000
LEAST_CAPACITY = 100


class Use(NamedTuple):
    """Of a family of processes. What is None cannot be told here."""

    #: since its start
    cpu_seconds: float
    memory_bytes: int
    #: since its start: two GPUs half in use for a second are one
    gpu_seconds: float | None = None
    gpu_memory_bytes: int | None = None


class Moment(NamedTuple):
    """What was used until `at`, in seconds since 1970."""

    at: float
    whole: Use
    #: of a run of several processes that train together, each one's
    ranks: Mapping[int, Use]


def timestamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1e6):06d}Z"


def capacity_for(ranks: int) -> int:
    return max(LEAST_CAPACITY, min(CAPACITY, MOST_USES // (ranks + 1)))


def merge(earlier: Moment | None, later: Moment) -> Moment:
    """The later one, with what was held at most at either."""
    if earlier is None:
        return later
    ranks = {rank: _merge(earlier.ranks.get(rank), use) for rank, use in later.ranks.items()}
    # one that has ended meanwhile
    ranks |= {rank: use for rank, use in earlier.ranks.items() if rank not in ranks}
    return Moment(later.at, _merge(earlier.whole, later.whole), ranks)


def _merge(earlier: Use | None, later: Use) -> Use:
    if earlier is None:
        return later
    held = [bytes_ for bytes_ in (earlier.gpu_memory_bytes, later.gpu_memory_bytes) if bytes_ is not None]
    return later._replace(
        memory_bytes=max(earlier.memory_bytes, later.memory_bytes), gpu_memory_bytes=max(held, default=None)
    )


def thin(moments: list[Moment], apart_seconds: float) -> list[Moment]:
    """The first and the last, and between them those so far apart."""
    kept = moments[:1]
    pending: Moment | None = None
    for moment in moments[1:]:
        pending = merge(pending, moment)
        # what a clock of floating seconds cannot tell apart is as far apart as that
        if pending.at - kept[-1].at >= apart_seconds - 1e-6:
            kept.append(pending)
            pending = None
    return kept if pending is None else [*kept, pending]


class History:
    """The file of a run's use, written by one process.

    `keeps_latest`: of what is to run for ever; when the file is full its first half goes.
    """

    def __init__(self, path: str, capacity: int = CAPACITY, *, keeps_latest: bool = False) -> None:
        self._path = path
        self._capacity = capacity
        self._keeps_latest = keeps_latest
        self._moments: list[Moment] = []
        #: seen since the last line, and not worth one of its own
        self._pending: Moment | None = None
        self._apart_seconds = 0.0

    def add(self, moment: Moment) -> None:
        """Raises: OSError where it cannot be written, for want of space say."""
        self._pending = merge(self._pending, moment)
        if self._moments and moment.at - self._moments[-1].at < self._apart_seconds - 1e-6:
            return
        self._write_pending()

    def finish(self, moment: Moment) -> None:
        """The last one: it stands there however soon after the one before. Raises: OSError."""
        self._pending = merge(self._pending, moment)
        self._write_pending()

    def _write_pending(self) -> None:
        assert self._pending is not None
        self._moments.append(self._pending)
        self._pending = None
        if len(self._moments) < self._capacity:
            self._write(self._path, self._moments[-1:], os.O_APPEND)
            return
        if self._keeps_latest:
            self._moments = self._moments[-self._capacity // 2 :]
        else:
            self._apart_seconds = (self._moments[-1].at - self._moments[0].at) / (self._capacity / 2)
            self._moments = thin(self._moments, self._apart_seconds)
        self._write(f"{self._path}.new", self._moments, os.O_TRUNC)
        os.rename(f"{self._path}.new", self._path)

    def _write(self, path: str, moments: list[Moment], how: int) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)
        with open(descriptor, "wb") as file:
            file.write(b"".join(to_line(moment) for moment in moments))


def to_line(moment: Moment) -> bytes:
    line: dict[str, Any] = {"at": timestamp(moment.at), **_use_to_json(moment.whole)}
    if moment.ranks:
        line["ranks"] = {str(rank): _use_to_json(use) for rank, use in sorted(moment.ranks.items())}
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _use_to_json(use: Use) -> dict[str, float | int]:
    found: dict[str, float | int] = {"cpu_seconds": round(use.cpu_seconds, 3), "memory_bytes": use.memory_bytes}
    if use.gpu_seconds is not None:
        found["gpu_seconds"] = round(use.gpu_seconds, 3)
    if use.gpu_memory_bytes is not None:
        found["gpu_memory_bytes"] = use.gpu_memory_bytes
    return found
