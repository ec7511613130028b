"""The last hour of the machine and of every endpoint, sampled into bounded rings that outlive a restart.

A ring is a file of JSON lines, one a sample, written together once a minute; what is older than the ring is dropped
from it now and then. A torn last line, or one of an older format, is passed over.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Final, cast

import orjson

from orrery.domain.records import Json
from orrery.executors.meter import Meter, Reading

log = logging.getLogger(__name__)

SAMPLE_SECONDS: Final = 5.0
KEPT_SECONDS: Final = 3600.0
#: endpoints are asked for at every third sample
ENDPOINTS_EVERY: Final = 3
#: samples that a power cut may cost
UNWRITTEN: Final = 12


class Ring:
    """Samples `[at, ...]` of the last hour, oldest first. Thread-safe."""

    def __init__(self, path: Path, capacity: int, now: float) -> None:
        self._path = path
        self._capacity = capacity
        self._lock = Lock()
        self._unwritten: list[list[Any]] = []
        self._rows: deque[list[Any]] = deque(self._load(now - KEPT_SECONDS), capacity)
        self._lines = len(self._rows)

    def append(self, row: list[Any]) -> None:
        with self._lock:
            self._rows.append(row)
            self._unwritten.append(row)
            is_time = len(self._unwritten) >= UNWRITTEN
        if is_time:
            self.flush()

    def after(self, at: float) -> list[list[Any]]:
        """Samples later than `at`, in seconds since 1970."""
        with self._lock:
            return [row for row in self._rows if row[0] > at]

    def flush(self) -> None:
        """Write what is not on the disk yet. A full disk costs the samples' survival, nothing else."""
        with self._lock:
            rows, self._unwritten = self._unwritten, []
            whole = self._lines + len(rows) > 2 * self._capacity
            if whole:
                rows = list(self._rows)
        if not rows:
            return
        try:
            self._write(rows, anew=whole)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error, extra={"action": "write_history"})

    def _write(self, rows: list[list[Any]], *, anew: bool) -> None:
        content = b"".join(orjson.dumps(row) + b"\n" for row in rows)
        if not anew:
            with self._path.open("ab") as file:
                file.write(content)
            self._lines += len(rows)
            return
        temporary = self._path.with_suffix(".new")
        temporary.write_bytes(content)
        os.replace(temporary, self._path)
        self._lines = len(rows)

    def _load(self, since: float) -> list[list[Any]]:
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return []
        rows: list[list[Any]] = []
        for line in lines:
            try:
                row: Any = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(row, list) and row and isinstance(row[0], int | float) and row[0] >= since:
                rows.append(cast("list[Any]", row))
        if sum(map(bool, lines)) > len(rows):
            # what is too old, or torn, goes now: the file never grows by restarts
            self._write(rows, anew=True)
        return rows


class Monitor:
    """Samples the machine and the gateway's counts. `ask_statistics` is None while the gateway does not answer."""

    def __init__(self, home: Path, meter: Meter, ask_statistics: Callable[[], Json | None]) -> None:
        self._meter = meter
        self._ask_statistics = ask_statistics
        self._turn = 0
        self._counted: dict[str, list[Any]] = {}
        self._has_counted = False
        self._latest = meter.read()
        samples = int(KEPT_SECONDS / SAMPLE_SECONDS)
        self.machine = Ring(home / "monitor" / "machine.jsonl", samples, self._latest.at)
        self.endpoints = Ring(home / "monitor" / "endpoints.jsonl", samples // ENDPOINTS_EVERY, self._latest.at)

    @property
    def latest(self) -> Reading:
        return self._latest

    def sample(self) -> None:
        """One turn: read the machine and, at some turns, what went through the endpoints."""
        reading = self._latest = self._meter.read()
        gpus = [[gpu.used, gpu.memory_bytes] for gpu in reading.gpus]
        cpu = None if reading.cpu is None else round(reading.cpu, 4)
        self.machine.append([round(reading.at, 1), cpu, reading.memory_bytes, reading.disk_bytes, gpus])
        if self._turn % ENDPOINTS_EVERY == 0:
            self._count_endpoints(round(reading.at, 1))
        self._turn += 1

    def _count_endpoints(self, at: float) -> None:
        """Note the cumulative counts of those that were called since the last look."""
        document = self._ask_statistics()
        if document is None:
            return
        changed: dict[str, list[Any]] = {}
        endpoints: dict[str, Json] = document.get("endpoints", {})
        for endpoint_id, counts in endpoints.items():
            row = [counts["success"], counts["client_errors"], counts["server_errors"]]
            row.append(round(counts["latency_seconds"]["total"], 6))
            if self._counted.get(endpoint_id) != row:
                before = self._counted.get(endpoint_id, [0, 0, 0, 0.0])
                if self._has_counted:
                    changed[endpoint_id] = [max(0, new - old) for new, old in zip(row, before, strict=True)]
                self._counted[endpoint_id] = row
        for endpoint_id in self._counted.keys() - endpoints.keys():
            del self._counted[endpoint_id]
        # when what is there at the start was counted is unknown: it is only noted
        self._has_counted = True
        if changed:
            self.endpoints.append([at, changed])

    def calls(self, endpoint_id: str, after: float) -> Json:
        """An endpoint's calls over time, by column; a look at which it was not called is not among them."""
        names = ("success", "client_errors", "server_errors")
        columns: dict[str, list[Any]] = {"at": [], **{name: [] for name in names}, "latency_seconds": []}
        for at, changed in self.endpoints.after(after):
            row = changed.get(endpoint_id)
            if row is None:
                continue
            columns["at"].append(at)
            for name, count in zip(names, row, strict=False):
                columns[name].append(count)
            calls = sum(row[:3])
            columns["latency_seconds"].append(row[3] / calls if calls else None)
        return {"period_seconds": SAMPLE_SECONDS * ENDPOINTS_EVERY, **columns}

    async def run(self) -> None:
        """Sample until cancelled."""
        try:
            while True:
                await asyncio.to_thread(self._try_sample)
                await asyncio.sleep(SAMPLE_SECONDS)
        finally:
            self.machine.flush()
            self.endpoints.flush()

    def _try_sample(self) -> None:
        try:
            self.sample()
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the machine could not be read: %s", error, extra={"action": "sample_failed"})
