"""How long jobs will run, from the history of like ones, and with that when those who wait will start.

Two runs are alike that are of one kind and have the same algorithm and instance type. Where nothing is known, nothing
is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from statistics import median
from threading import Lock
from time import monotonic
from typing import Final

from orrery.domain.records import Record
from orrery.executors.contract import Executor
from orrery.store.resources import ResourceStore
from orrery.store.summaries import RunTime, Summaries

#: of the line, how many are looked ahead
LOOKED_AHEAD: Final = 100
#: of like runs, so many of the newest count
ALIKE: Final = 20
HISTORY_SECONDS: Final = 30.0
FORECAST_SECONDS: Final = 2.0

Likeness = tuple[str | None, str | None]


class Estimates:
    """Thread-safe. History and forecast are worked out anew at most every `HISTORY_SECONDS` and `FORECAST_SECONDS`."""

    def __init__(self, store: ResourceStore, executor: Executor, clock: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._executor = executor
        self._clock = clock
        self._summaries = Summaries(store.database)
        self._lock = Lock()
        self._history: dict[str, tuple[float, dict[Likeness, float]]] = {}
        self._forecast: tuple[float, dict[str, float]] = (float("-inf"), {})
        self._was_paused = False

    def starts_in(self, job_id: str) -> float | None:
        """In how many seconds a job that waits will start; None where that is not known."""
        return self.starts().get(job_id)

    def starts(self) -> dict[str, float]:
        """Of the first in line: job id -> seconds until it starts. Nothing while the queue is paused or drained."""
        now = self._clock()
        is_paused = self._executor.rules().pause is not None
        with self._lock:
            at, found = self._forecast
            if now - at > FORECAST_SECONDS or is_paused != self._was_paused:
                self._was_paused = is_paused
                at, found = self._forecast = (now, self._executor.forecast(self._expected(), LOOKED_AHEAD))
        return {job_id: round(max(0.0, seconds - (now - at)), 1) for job_id, seconds in found.items()}

    def _expected(self) -> dict[str, float]:
        waiting = self._executor.queue(LOOKED_AHEAD)
        holders = self._executor.holders()
        if not waiting:
            return {}
        ids = [entry.job_id for entry in waiting] + [holder.job_id for holder in holders]
        records = self._store.find_many(_resource_of(job_id) for job_id in ids)
        now = self._store.clock()
        expected: dict[str, float | None] = {}
        for entry in waiting:
            record = records.get(_resource_of(entry.job_id))
            expected[entry.job_id] = None if record is None else self._usual(record)
        for holder in holders:
            record = records.get(_resource_of(holder.job_id))
            if record is not None:
                expected[holder.job_id] = remaining(record, self._usual(record), holder.started_at, now)
        return {job_id: seconds for job_id, seconds in expected.items() if seconds is not None}

    def _usual(self, record: Record) -> float | None:
        """How long runs like it last."""
        now = self._clock()
        known = self._history.get(record.kind)
        if known is None or now - known[0] > HISTORY_SECONDS:
            phases = self._store.kinds.named(record.kind).machine.phases.values()
            ended = next((phase.name for phase in phases if phase.state == "Completed" and phase.settled), None)
            runs = self._summaries.durations(record.kind, ended) if ended is not None else []
            found = usual_durations(runs)
            known = self._history[record.kind] = (now, found)
        return known[1].get((record.spec.get("algorithm"), record.spec.get("instance_type")))


def usual_durations(newest_first: Iterable[RunTime]) -> dict[Likeness, float]:
    """The median of the newest `ALIKE` of each likeness, in seconds."""
    alike: dict[Likeness, list[float]] = {}
    for run in newest_first:
        seen = alike.setdefault((run.algorithm, run.instance_type), [])
        if len(seen) < ALIKE:
            seen.append(run.seconds)
    return {likeness: median(seconds) for likeness, seconds in alike.items()}


def remaining(record: Record, usual: float | None, started_at: datetime | None, now: datetime) -> float | None:
    """How long a run that holds its part will still run: as its progress says, else as long as like ones did.

    None where there is neither, and for one that has taken longer than like ones: nobody knows then.
    """
    left = (record.progress or {}).get("eta_seconds")
    if isinstance(left, int | float):
        return max(0.0, left - (now - record.updated_at).total_seconds())
    if usual is None:
        return None
    left = usual - ((now - started_at).total_seconds() if started_at is not None else 0.0)
    return left if left > 0 else None


def _resource_of(job_id: str) -> str:
    return job_id.partition("-")[0]
