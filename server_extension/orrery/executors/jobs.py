"""The jobs of the local executor: from `submit` through the queue to their end, and their files.

    QUEUED -> STARTING -> RUNNING -> ENDED        STOPPING before ENDED when asked to
       |          |                    ^
       +----------+--------------------+          stopped, or impossible to start

Ended jobs are read from the disk when somebody asks for them, so that a long history costs a restart nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from orrery.errors import Conflict, Invalid, JobActive, OrreryError, UnknownJob
from orrery.executors import folders, masking, queue, reasons, workfiles
from orrery.executors.contract import (
    CommandProgram,
    Exit,
    ExitReason,
    Holder,
    JobPhase,
    JobSpec,
    JobState,
    Priority,
    QueueEntry,
)
from orrery.executors.core import Core
from orrery.executors.folders import AcceptedJob, ShimRecord
from orrery.executors.launch import Account, expand, find_account, make_environment, needs_exec, write_launch
from orrery.executors.supervision import Run

log = logging.getLogger(__name__)


class _Stopped(Exception):
    """Asked to stop while its files were put in place."""


@dataclass
class ActiveJob:
    job: AcceptedJob
    folder: Path
    claim: queue.Claim
    phase: JobPhase
    run: Run
    started_at: datetime | None = None

    def state(self) -> JobState:
        return JobState(self.job.spec.id, self.phase, self.job.submitted_at, self.started_at)


class Jobs:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._root = core.home / "jobs"
        self._active: dict[str, ActiveJob] = {}
        #: None: not read from the disk yet
        self._ended: dict[str, JobState | None] = {}
        self._sequence = 0
        #: one submit of an id at a time; stripes, for they must not grow with the ids
        self._stripes = [threading.Lock() for _ in range(16)]

    # --- adoption ---

    def adopt(self) -> None:
        """Take over what lies on the disk. Before the loop runs."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o711)
        for entry in os.scandir(self._root):
            folder = self._root / entry.name
            if entry.name.startswith("."):
                self._core.in_pool(lambda folder=folder: shutil.rmtree(folder, ignore_errors=True))
            elif (folder / "exit.json").exists() and not (folder / "launch.json").exists():
                self._ended[entry.name] = None
            else:
                self._adopt_active(folder)

    def _adopt_active(self, folder: Path) -> None:
        try:
            job = folders.read_job(folder)
        except (ValueError, KeyError, TypeError) as damaged:
            log.error("%s/job.json cannot be read: %s", folder, damaged, extra={"action": "job_damaged"})
            return
        if job is None:  # never acknowledged
            self._core.in_pool(lambda: shutil.rmtree(folder, ignore_errors=True))
            return
        self._sequence = max(self._sequence, job.sequence)
        active = self._make_active(job, folder)
        self._active[job.spec.id] = active
        with folders.hold_lock(folder) as free:
            never_started = free and not (folder / "shim.json").exists() and not (folder / "exit.json").exists()
        if not never_started:
            launch = folders.read_json(folder / "launch.json") or {}
            self._core.hold(active.claim, tuple(launch.get("gpus", ())))
            active.phase = JobPhase.STARTING
            self._core.call(active.run.adopt)
        elif (folder / "stop").exists():
            self._core.call(active.run.end_unstarted, ExitReason.STOPPED, "stopped while it waited")
        else:
            self._core.enqueue(active.claim, self._on_admitted)

    def _make_active(self, job: AcceptedJob, folder: Path) -> ActiveJob:
        spec = job.spec
        forked = (
            not isinstance(spec.program, CommandProgram)
            and spec.run_as is None
            and not needs_exec({**spec.environment, **spec.secrets})
        )
        run = self._core.make_run(
            folder,
            forked=forked,
            on_running=lambda record: self._on_running(spec.id, record),
            on_ended=lambda ended: self._on_ended(spec.id, ended),
        )
        name = f"{spec.owner}/{spec.title or spec.id}"
        claim = queue.Claim(
            spec.id,
            name,
            spec.held,
            int(spec.priority),
            job.sequence,
            owner=spec.owner,
            since=job.submitted_at.timestamp(),
        )
        return ActiveJob(job, folder, claim, JobPhase.QUEUED, run)

    def close(self) -> None:
        """Stop watching. On the loop's thread."""
        for active in self._active.values():
            active.run.close()

    # --- submit ---

    def submit(self, spec: JobSpec) -> None:
        folders.check_id(spec.id)
        with self._stripes[hash(spec.id) % len(self._stripes)]:
            if self._is_known(spec.id):
                return
            self._check(spec)
            job, folder = self._record(spec)
            with self._core.lock:
                active = self._make_active(job, folder)
                self._active[spec.id] = active
                self._core.enqueue(active.claim, self._on_admitted)
        self._core.notify(spec.id)

    def _is_known(self, job_id: str) -> bool:
        with self._core.lock:
            return job_id in self._active or job_id in self._ended

    def _check(self, spec: JobSpec) -> None:
        if spec.image is not None:
            raise Invalid(
                f"job {spec.id} is to run in the container image {spec.image.address}, and here jobs are processes of "
                "the platform's own Python; leave the image out"
            )
        if spec.nodes < 1:
            raise Invalid(f"nodes is {spec.nodes}; a job runs on 1 or more")
        queue.check_schedulable(spec.held, self._core.ledger.capacity)
        self._core.ledger.rules.check(spec.owner, spec.held)
        for file in spec.files:
            workfiles.check_path(file.path)
        if isinstance(spec.program, CommandProgram) and not spec.program.argv:
            raise Invalid("the command is empty; give a program and its arguments")
        if spec.time_limit_seconds is not None and not spec.time_limit_seconds > 0:
            raise Invalid(
                f"time_limit_seconds is {spec.time_limit_seconds!r}; it must be above 0, or None for no limit"
            )
        if not spec.grace_seconds >= 0:
            raise Invalid(f"grace_seconds is {spec.grace_seconds!r}; it must be 0 or above")
        if spec.storage_bytes is not None and spec.storage_bytes < 1:
            raise Invalid(f"storage_bytes is {spec.storage_bytes}; it must be above 0, or None for no limit")
        find_account(spec.run_as)

    def _record(self, spec: JobSpec) -> tuple[AcceptedJob, Path]:
        """Make the folder; the job is accepted when this returns."""
        folder = self._root / spec.id
        variables = own_variables(spec.id, folder)
        environment = {name: expand(value, variables) for name, value in spec.environment.items()}
        program = spec.program
        if isinstance(program, CommandProgram):
            known = {**environment, **variables}
            program = CommandProgram(tuple(expand(argument, known) for argument in program.argv))
        with self._core.lock:
            self._sequence = max(self._sequence + 1, time.time_ns())
            sequence = self._sequence
        job = AcceptedJob(replace(spec, environment=environment, program=program), datetime.now(UTC), sequence)
        with folders.refusing_full_disk():
            folder.mkdir(mode=0o700, exist_ok=True)
            try:
                folders.write_atomically(folder / "job.json", folders.job_to_json(job))
                folders.sync_folder(self._root)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return job, folder

    def change_priority(self, job_id: str, priority: Priority) -> None:
        with self._core.lock:
            active = self._active.get(job_id)
            if active is None:
                self._require_ended(job_id)
                return
            if active.phase is not JobPhase.QUEUED or active.job.spec.priority is priority:
                return
            job = replace(active.job, spec=replace(active.job.spec, priority=priority))
            with folders.refusing_full_disk():
                folders.write_atomically(active.folder / "job.json", folders.job_to_json(job))
            active.job, active.claim = job, replace(active.claim, rank=int(priority))
            self._core.move(active.claim)
        self._core.notify(job_id)

    # --- start ---

    def _on_admitted(self, claim: queue.Claim) -> None:
        active = self._active[claim.id]
        active.phase = JobPhase.STARTING
        gpus = self._core.ledger.gpus_of(claim.id)
        self._core.notify(claim.id)
        spec = active.job.spec
        if spec.files or spec.secrets or spec.run_as is not None:
            self._core.in_pool(lambda: self._prepare(active, gpus))
        else:
            self._core.call(self._prepare, active, gpus)

    def _prepare(self, active: ActiveJob, gpus: tuple[str, ...]) -> None:
        """Lay out the folder and launch; in the pool where files have to be fetched."""
        spec, folder = active.job.spec, active.folder
        try:
            account = find_account(spec.run_as)
            work = folder / "work"
            work.mkdir(exist_ok=True)
            for file in spec.files:
                if (folder / "stop").exists():
                    raise _Stopped
                workfiles.place([file], work, self._core.objects)
            (folder / "reports.jsonl").touch(mode=0o600)
            if account is not None:
                self._hand_over(folder, account)
            secrets = self._reveal(spec)
            own = own_variables(spec.id, folder) | ({masking.VARIABLES: ",".join(secrets)} if secrets else {})
            given = {**spec.environment, **secrets}
            environment = make_environment(own, given, spec.resources, gpus, account, self._core.hides_gpus)
            write_launch(
                folder,
                argv=_argv(spec, folder),
                environment=environment,
                cwd=work,
                resources=spec.held,
                gpus=gpus,
                time_limit_seconds=spec.time_limit_seconds,
                grace_seconds=spec.grace_seconds,
                storage_bytes=spec.storage_bytes and spec.storage_bytes * spec.nodes,
                account=account,
                secrets=tuple(secrets.values()),
            )
        except _Stopped:
            self._core.call(active.run.end_unstarted, ExitReason.STOPPED, "stopped while its files were put in place")
        except (OrreryError, OSError) as failed:
            log.warning("job %s could not be prepared: %s", spec.id, failed, extra={"action": "job_not_prepared"})
            message = f"it could not be prepared: {failed}"
            self._core.call(active.run.end_unstarted, ExitReason.FAILED, message)
        else:
            self._core.call(active.run.launch)

    def _reveal(self, spec: JobSpec) -> dict[str, str]:
        if not spec.secrets:
            return {}
        if self._core.secrets is None:
            raise Invalid("this executor was given no place where secrets come from")
        return {name: self._core.secrets.reveal(reference) for name, reference in spec.secrets.items()}

    def _hand_over(self, folder: Path, account: Account) -> None:
        """Let the account work in the folder; what the platform itself relies on stays the platform's."""
        workfiles.give_to(folder / "work", account.uid, account.gid)
        for name in ("job.json", "reports.jsonl"):
            os.chown(folder / name, account.uid, account.gid)
        os.chmod(folder, 0o711)

    def _on_running(self, job_id: str, record: ShimRecord) -> None:
        with self._core.lock:
            active = self._active[job_id]
            active.started_at = record.started_at
            active.phase = JobPhase.STOPPING if (active.folder / "stop").exists() else JobPhase.RUNNING
        self._core.notify(job_id)

    # --- end ---

    def stop(self, job_id: str) -> None:
        with self._core.lock:
            active = self._active.get(job_id)
            if active is None:
                self._require_ended(job_id)
                return
            if active.phase is JobPhase.QUEUED:
                self._core.release(job_id)
                active.phase = JobPhase.STOPPING
                active.run.stop()
                self._core.call(active.run.end_unstarted, ExitReason.STOPPED, "stopped while it waited")
            else:
                active.phase = JobPhase.STOPPING
                active.run.stop()
        self._core.notify(job_id)

    def _on_ended(self, job_id: str, ended: Exit) -> None:
        with self._core.lock:
            active = self._active.pop(job_id)
            self._ended[job_id] = JobState(
                job_id, JobPhase.ENDED, active.job.submitted_at, ended.started_at or active.started_at, ended
            )
            self._core.release(job_id)
        log.info("job %s ended: %s %s", job_id, ended.reason, ended.message, extra={"action": "job_ended"})
        self._core.notify(job_id)

    def forget(self, job_id: str) -> None:
        with self._core.lock:
            if job_id in self._active:
                raise JobActive(f"job {job_id} has not ended; stop it first", job_id=job_id)
            if job_id not in self._ended:
                return
            trash = self._root / f".trash-{uuid.uuid4().hex}"
            with contextlib.suppress(FileNotFoundError):
                os.rename(self._root / job_id, trash)
            del self._ended[job_id]
        self._core.in_pool(lambda: shutil.rmtree(trash, ignore_errors=True))

    # --- reading ---

    def _require_ended(self, job_id: str) -> None:
        if job_id not in self._ended:
            raise UnknownJob(f"there is no job {job_id!r}", job_id=job_id)

    def folder(self, job_id: str) -> Path:
        """Raises `UnknownJob`."""
        with self._core.lock:
            if job_id not in self._active:
                self._require_ended(job_id)
        return self._root / job_id

    def state(self, job_id: str) -> JobState:
        with self._core.lock:
            active = self._active.get(job_id)
            if active is not None:
                return active.state()
            self._require_ended(job_id)
            state = self._ended[job_id]
            if state is None:
                state = self._ended[job_id] = self._read_ended(job_id)
            return state

    def _read_ended(self, job_id: str) -> JobState:
        folder = self._root / job_id
        job, ended = folders.read_job(folder), folders.read_exit(folder)
        if job is None or ended is None:
            raise Conflict(f"the folder of job {job_id} is damaged; forget the job, or restore {folder}")
        return JobState(job_id, JobPhase.ENDED, job.submitted_at, ended.started_at, ended)

    def states(self) -> list[JobState]:
        with self._core.lock:
            states = [self.state(job_id) for job_id in [*self._active, *self._ended]]
        return sorted(states, key=lambda state: state.submitted_at)

    def holders(self) -> list[Holder]:
        with self._core.lock:
            running = [self._active[id] for id in self._core.ledger.holders if id in self._active]
            return [
                Holder(one.job.spec.id, one.job.spec.owner, one.job.spec.title, one.job.spec.resources, one.started_at)
                for one in running
            ]

    def queue(self, limit: int | None) -> list[QueueEntry]:
        with self._core.lock:
            return list(islice(self._entries(), limit))

    def queue_entry(self, job_id: str) -> QueueEntry | None:
        with self._core.lock:
            if job_id not in self._core.ledger.line:
                return None
            return next((entry for entry in self._entries() if entry.job_id == job_id), None)

    def _entries(self) -> Iterator[QueueEntry]:
        place = 0
        for claim, reason in reasons.explain_line(self._core.ledger, time.time()):
            if claim.id in self._active:
                place += 1
                yield _entry(self._active[claim.id].job, place, reason)


def _entry(job: AcceptedJob, place: int, reason: str) -> QueueEntry:
    return QueueEntry(
        job_id=job.spec.id,
        owner=job.spec.owner,
        title=job.spec.title,
        place=place,
        priority=Priority(job.spec.priority),
        resources=job.spec.held,
        submitted_at=job.submitted_at,
        reason=reason,
    )


def own_variables(job_id: str, folder: Path) -> dict[str, str]:
    """What every job finds in its environment, whatever the spec says."""
    return {
        "ORRERY_JOB_ID": job_id,
        "ORRERY_JOB_DIR": str(folder),
        "ORRERY_WORK_DIR": str(folder / "work"),
        "ORRERY_REPORTS": str(folder / "reports.jsonl"),
    }


def _argv(spec: JobSpec, folder: Path) -> list[str]:
    """What is executed where the zygote cannot be had or is of no use."""
    if isinstance(spec.program, CommandProgram) and spec.nodes == 1:
        return list(spec.program.argv)
    return [sys.executable, "-P", "-m", "orrery.jobs.run", str(folder)]
