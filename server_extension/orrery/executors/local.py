"""The executor of one machine: a queue over its cores, memory and GPUs, and supervised processes.

One thread, an event loop, admits, starts and watches; nothing is polled while nothing runs. The public methods are
called from any thread: they write to the disk what must last, change the records under one lock, and wake the loop.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from orrery.errors import InUse, JobActive, Unavailable
from orrery.executors import machine, queue, reasons, workfiles
from orrery.executors.contract import (
    Capacity,
    FileInfo,
    Holder,
    JobPhase,
    JobSpec,
    JobState,
    Priority,
    QueueEntry,
    Resources,
    SecretSource,
    ServiceSpec,
    ServiceState,
    UsageSample,
)
from orrery.executors.core import Core
from orrery.executors.forecast import Forecast
from orrery.executors.jobs import Jobs
from orrery.executors.launch import Zygote
from orrery.executors.policy import Limits, Rules
from orrery.executors.services import Services
from orrery.executors.workfiles import ObjectSource

__all__ = ["LocalExecutor", "ObjectSource"]

#: of a replica's samples: the last hour, at the pace that the shim settles to
LAST_USAGE_BYTES = 80 << 10


class LocalExecutor:
    """Runs jobs and services below `home`, taking their input files from `objects`.

    `capacity`: what may be handed out; None: all cores, memory and GPUs of this machine. `preload`: keep a process
    ready from which notebook jobs start quickly; without it each starts a Python of its own. `lock_timeout_seconds`:
    how long `start` waits for a predecessor over the same home. `limits`: those of the configuration; administrators
    say others over them (`change_rules`).
    `secrets`: where the values of jobs' secrets come from.
    """

    runs_containers = False

    def __init__(
        self,
        home: Path,
        objects: ObjectSource,
        *,
        capacity: Resources | None = None,
        preload: bool = True,
        lock_timeout_seconds: float = 10.0,
        limits: Limits | None = None,
        secrets: SecretSource | None = None,
    ) -> None:
        gpus = machine.detect_gpus()
        if capacity is None:
            capacity = machine.detect_capacity(len(gpus))
        elif capacity.gpus > len(gpus):
            gpus = tuple(str(index) for index in range(capacity.gpus))
        zygote = Zygote() if preload else None
        home = Path(home).absolute()
        self._core = Core(home, objects, capacity, gpus, zygote, limits or Limits(), secrets)
        self._jobs = Jobs(self._core)
        self._services = Services(self._core)
        self._lock_timeout_seconds = lock_timeout_seconds
        self._home_lock: int | None = None
        self._is_started = False

    # --- life ---

    def start(self) -> None:
        """Raises `InUse` while another executor works over the same home."""
        run = self._core.home / "run"
        run.mkdir(parents=True, exist_ok=True, mode=0o711)
        self._home_lock = self._take_home(run / "executor.lock")
        self._core.open()
        try:
            with self._core.lock:
                self._jobs.adopt()
                self._services.adopt()
                self._is_started = True
        except BaseException:
            self._core.close()
            os.close(self._home_lock)
            raise
        self._core.start()
        if self._core.zygote is not None:
            self._core.zygote.start()

    def _take_home(self, path: Path) -> int:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + self._lock_timeout_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
                    os.close(descriptor)
                    raise InUse(
                        f"process {holder} works over {self._core.home} already; stop it, or choose another home"
                    ) from None
                time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor

    def close(self) -> None:
        if not self._is_started:
            return
        self._is_started = False
        closed = threading.Event()

        def close_runs() -> None:
            with self._core.lock:
                self._core.is_closed = True
                self._jobs.close()
                self._services.close()
            closed.set()

        self._core.call(close_runs)
        closed.wait()
        self._core.close()
        if self._home_lock is not None:
            os.close(self._home_lock)
            self._home_lock = None

    def _require_started(self) -> None:
        if not self._is_started:
            raise Unavailable("the executor is not running; try again when the platform has started")

    @property
    def zygote_pid(self) -> int | None:
        """The process that jobs are forked from; None while there is none."""
        return None if self._core.zygote is None else self._core.zygote.pid

    def subscribe(self, callback: Callable[[str], None]) -> None:
        self._core.subscribe(callback)

    # --- jobs ---

    def submit(self, spec: JobSpec) -> None:
        self._require_started()
        self._jobs.submit(spec)

    def state(self, job_id: str) -> JobState:
        return self._jobs.state(job_id)

    def stop(self, job_id: str) -> None:
        self._require_started()
        self._jobs.stop(job_id)

    def forget(self, job_id: str) -> None:
        self._require_started()
        self._jobs.forget(job_id)

    def jobs(self) -> list[JobState]:
        return self._jobs.states()

    def queue_entry(self, job_id: str) -> QueueEntry | None:
        return self._jobs.queue_entry(job_id)

    def queue(self, limit: int | None = None) -> list[QueueEntry]:
        return self._jobs.queue(limit)

    def change_priority(self, job_id: str, priority: Priority) -> None:
        self._require_started()
        self._jobs.change_priority(job_id, priority)

    def holders(self) -> list[Holder]:
        return self._jobs.holders()

    def forecast(self, expected: Mapping[str, float], most: int = 100) -> dict[str, float]:
        with self._core.lock:
            ledger = self._core.ledger.copy()
        return Forecast(ledger, expected, time.time()).starts(most)

    def explain_newcomer(self, owner: str, resources: Resources, priority: Priority) -> str:
        now = time.time()
        # the last to come; the name is of no job
        claim = queue.Claim("newcomer", owner, resources, int(priority), 1 << 62, owner=owner, since=now)
        with self._core.lock:
            ledger = self._core.ledger.copy()
        return reasons.explain_newcomer(claim, ledger, now)

    def rules(self) -> Rules:
        with self._core.lock:
            return self._core.ledger.rules

    def change_rules(self, change: Callable[[Rules], Rules]) -> Rules:
        return self._core.change_rules(change)

    def check(self, owner: str, resources: Resources) -> None:
        self.rules().check(owner, resources)
        queue.check_schedulable(resources, self._core.ledger.capacity)

    def capacity(self) -> Capacity:
        with self._core.lock:
            held = self._core.ledger.held()
            total, waiting = self._core.ledger.capacity, len(self._core.ledger.line)
            return Capacity(total, replace(held, cores=round(held.cores, 6)), waiting)

    def read_log(self, job_id: str, offset: int = 0, limit: int = 1 << 20) -> bytes:
        return workfiles.read_range(self._jobs.folder(job_id) / "log", offset, limit)

    def read_reports(self, job_id: str, offset: int = 0) -> tuple[list[dict[str, object]], int]:
        return workfiles.read_reports(self._jobs.folder(job_id) / "reports.jsonl", offset)

    def usage(self, job_id: str) -> list[UsageSample]:
        return workfiles.read_usage(self._jobs.folder(job_id) / "usage.jsonl")

    def files(self, job_id: str) -> list[FileInfo]:
        return workfiles.listing(self._jobs.folder(job_id) / "work")

    def open_file(self, job_id: str, path: str) -> BinaryIO:
        return workfiles.open_inside(self._jobs.folder(job_id) / "work", path)

    def remove_folder(self, job_id: str, name: str) -> bool:
        if self._jobs.state(job_id).phase is not JobPhase.ENDED:
            raise JobActive(f"job {job_id} has not ended; its folder {name!r} is still in use", job_id=job_id)
        return workfiles.remove_folder(self._jobs.folder(job_id) / "work", name)

    # --- services ---

    def apply_service(self, spec: ServiceSpec) -> None:
        self._require_started()
        self._services.apply(spec)

    def service(self, service_id: str) -> ServiceState:
        return self._services.state(service_id)

    def services(self) -> list[ServiceState]:
        return self._services.states()

    def release_replicas(self, service_id: str, replica_ids: frozenset[str]) -> None:
        self._services.release(service_id, replica_ids)

    def read_service_log(self, service_id: str, replica_id: str, offset: int = 0, limit: int = 1 << 20) -> bytes:
        return workfiles.read_range(self._services.replica_folder(service_id, replica_id) / "log", offset, limit)

    def service_usage(self, service_id: str) -> dict[str, list[UsageSample]]:
        replicas = self._services.state(service_id).replicas
        folders = {replica.id: self._services.replica_folder(service_id, replica.id) for replica in replicas}
        return {
            name: workfiles.read_usage(folder / "usage.jsonl", LAST_USAGE_BYTES) for name, folder in folders.items()
        }

    def remove_service(self, service_id: str) -> None:
        self._require_started()
        self._services.remove(service_id)
