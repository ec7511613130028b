"""One replica: a program that listens on a socket, from its claim on the machine to its end.

PENDING -> STARTING -> READY -> RETIRING -> gone
   ^          |          |
   +-- BACKING_OFF <-----+          it ended by itself, or did not become ready in time
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from orrery.errors import OrreryError
from orrery.executors import contract, folders, machine, queue, reasons, workfiles
from orrery.executors.contract import Exit, ReplicaPhase, ServiceSpec
from orrery.executors.core import Core
from orrery.executors.folders import ShimRecord
from orrery.executors.launch import expand, find_account, make_environment, write_launch
from orrery.executors.supervision import Run

log = logging.getLogger(__name__)

FIRST_BACK_OFF_SECONDS = 0.5
LAST_BACK_OFF_SECONDS = 30.0
#: a replica that was ready for so long is healthy: its next crash counts as the first
HEALTHY_SECONDS = 60.0
#: so many crashes in a row are a crash loop
CRASH_LOOP = 3
#: a retired replica is ended after this long even if nobody says that its traffic has ceased
RELEASE_SECONDS = 10.0
#: the kernel takes no longer address of a unix socket than 107 bytes
SOCKET_PATH_BYTES = 100


class ReplicaRun:
    """Belongs to the loop's thread, under the core's lock where it changes."""

    def __init__(
        self, core: Core, folder: Path, spec: ServiceSpec, revision: str, sequence: int, on_change: Callable[[], None]
    ) -> None:
        self.core = core
        self.folder = folder
        self.id = folder.name
        self.spec = spec
        self.revision = revision
        self.sequence = sequence
        self.phase = ReplicaPhase.PENDING
        self.restarts = 0
        self.crashes = 0
        self.proven = False
        self.started_at: datetime | None = None
        self.message = ""
        #: set when it did not become ready in time
        self.is_late = False
        #: why it ended last, for the service's failure
        self.last_failure = ""
        #: nothing of it runs, and it counts no more
        self.is_gone = False
        self.work = folder.parent.parent / "revisions" / revision / "work"
        self.socket = socket_path(core.home, self.id)
        self.claim = queue.Claim(
            f"{spec.id}/{self.id}",
            f"{spec.owner}/{spec.title or spec.id}",
            spec.resources,
            queue.SERVICE_RANK,
            sequence,
            owner=spec.owner,
        )
        self._on_change = on_change
        self._run: Run | None = None
        self._probe: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ready_clock = 0.0

    def state(self) -> contract.Replica:
        message = self.message
        if self.phase is ReplicaPhase.PENDING and not message:
            message = reasons.explain(self.claim, self.core.ledger)
        return contract.Replica(
            self.id, self.revision, self.phase, f"unix:{self.socket}", self.restarts, self.started_at, message
        )

    # --- what is kept on the disk ---

    def save(self) -> None:
        content = {
            "revision": self.revision,
            "sequence": self.sequence,
            "restarts": self.restarts,
            "proven": self.proven,
            "replaces": self.claim.replaces,
            "ready": self.phase is ReplicaPhase.READY,
            "retiring": self.phase is ReplicaPhase.RETIRING,
        }
        try:
            folders.write_atomically(self.folder / "replica.json", content, durable=False)
        except OSError as failed:
            # A full disk: after a restart of the platform this replica is looked at with older eyes, no more.
            log.warning("replica %s cannot be noted: %s", self.claim.id, failed, extra={"action": "replica_not_saved"})

    def restore(self, content: dict[str, Any]) -> None:
        """Go on from where the predecessor of this executor left it."""
        self.restarts = content["restarts"]
        self.proven = content["proven"]
        self.claim = replace(self.claim, replaces=content["replaces"])
        if content["retiring"]:
            self.phase = ReplicaPhase.RETIRING
        with folders.hold_lock(self.folder) as free:
            pass
        if free and self.phase is ReplicaPhase.RETIRING:
            self.core.call(self._remove)
        elif free:
            self.restarts += 1
            self.enqueue()
        else:
            launch = folders.read_json(self.folder / "launch.json") or {}
            self.core.hold(self.claim, tuple(launch.get("gpus", ())))
            if self.phase is not ReplicaPhase.RETIRING:
                # Callers go on being served: what was ready counts as ready until it ends.
                self.phase = ReplicaPhase.READY if content["ready"] else ReplicaPhase.STARTING
                self._ready_clock = time.monotonic()
            self._run = self._make_run()
            self.core.call(self._run.adopt)
            if self.phase is ReplicaPhase.RETIRING:
                self._run.stop()

    # --- begin ---

    def enqueue(self) -> None:
        self.phase = ReplicaPhase.PENDING
        self.core.enqueue(self.claim, lambda _: self._begin())

    def _begin(self) -> None:
        self.phase = ReplicaPhase.STARTING
        self.is_late = False
        self.message = "its process is being started"
        self._on_change()
        self.core.in_pool(self._prepare)

    def _prepare(self) -> None:
        try:
            machine.bury(self.folder)
            with folders.hold_lock(self.folder) as free:
                if free:
                    folders.clear_run(self.folder)
            account = find_account(self.spec.run_as)
            self.socket.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
            os.chmod(self.socket.parent, 0o700)
            self.socket.unlink(missing_ok=True)
            if account is not None:
                os.chown(self.socket.parent, account.uid, account.gid)
                os.chmod(self.folder, 0o711)
            own = {
                "ORRERY_SERVICE_ID": self.spec.id,
                "ORRERY_REPLICA_ID": self.id,
                "ORRERY_REPLICA_DIR": str(self.folder),
                "ORRERY_WORK_DIR": str(self.work),
                "ORRERY_SOCKET": str(self.socket),
            }
            given = {name: expand(value, own) for name, value in self.spec.environment.items()}
            with self.core.lock:
                gpus = self.core.ledger.gpus_of(self.claim.id)
            write_launch(
                self.folder,
                argv=[expand(argument, {**given, **own}) for argument in self.spec.argv],
                environment=make_environment(own, given, self.spec.resources, gpus, account, self.core.hides_gpus),
                cwd=self.work,
                resources=self.spec.resources,
                gpus=gpus,
                grace_seconds=self.spec.grace_seconds,
                account=account,
                oom_score=300,
                is_endless=True,
            )
        except (OrreryError, OSError) as failed:
            self.core.call(self._crash, f"could not be prepared: {failed}")
        else:
            self.core.call(self._launch)

    def _launch(self) -> None:
        if self.phase is ReplicaPhase.RETIRING:
            self._remove()
            return
        self._run = self._make_run()
        self._run.launch()

    def _make_run(self) -> Run:
        return self.core.make_run(self.folder, forked=False, on_running=self._on_running, on_ended=self._on_ended)

    def _on_running(self, record: ShimRecord) -> None:
        with self.core.lock:
            self.started_at = record.started_at
            if self.phase is ReplicaPhase.STARTING:
                self.message = f"runs, and has not answered GET {self.spec.ready_path} with 200 yet"
                self._probe = self.core.loop.create_task(self._wait_until_ready())
            self._on_change()

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.spec.ready_timeout_seconds
        pause = 0.02
        while not await is_ready(self.socket, self.spec.ready_path):
            if time.monotonic() >= deadline:
                self.is_late = True
                if self._run is not None:
                    self._run.stop()
                return
            await asyncio.sleep(pause)
            pause = min(0.25, pause * 1.3)
        with self.core.lock:
            if self.phase is ReplicaPhase.STARTING:
                self.phase = ReplicaPhase.READY
                self.proven = True
                self.message = ""
                self._ready_clock = time.monotonic()
                self.save()
                self._on_change()

    # --- end ---

    def retire(self) -> None:
        """Take it out of the routes, and end it once that is known, or after a while. Under the lock."""
        self.phase = ReplicaPhase.RETIRING
        self.message = "finishes what it has begun"
        self.save()
        self._timer = self.core.loop.call_later(RELEASE_SECONDS, self.end)
        self._on_change()

    def end(self) -> None:
        """End it now; its process may still take its grace. Under the lock or from the loop."""
        with self.core.lock:
            is_idle = self.phase in (ReplicaPhase.PENDING, ReplicaPhase.BACKING_OFF)
            if self.phase is not ReplicaPhase.RETIRING:
                self.phase = ReplicaPhase.RETIRING
                self.message = "is being ended"
                self.save()
            self._cancel()
            if is_idle:
                self._remove()
            elif self._run is not None:
                self._run.stop()

    def _on_ended(self, ended: Exit) -> None:
        self._run = None
        message = ended.message or f"exit status {ended.code}"
        if self.is_late:
            seconds = f"{self.spec.ready_timeout_seconds:g}"
            message = f"did not answer GET {self.spec.ready_path} with 200 within {seconds} s"
        self._crash(message)

    def _crash(self, message: str) -> None:
        with self.core.lock:
            if self.phase is ReplicaPhase.RETIRING:
                self._remove()
                return
            self._cancel()
            if self.phase is ReplicaPhase.READY and time.monotonic() - self._ready_clock >= HEALTHY_SECONDS:
                self.crashes = 0
            self.crashes += 1
            delay = min(LAST_BACK_OFF_SECONDS, FIRST_BACK_OFF_SECONDS * 2 ** (self.crashes - 1))
            self.phase = ReplicaPhase.BACKING_OFF
            self.message = f"{message}; starts again in {delay:g} s"
            self.last_failure = message
            self.save()
            self._timer = self.core.loop.call_later(delay, self._restart)
            log.warning("replica %s: %s", self.claim.id, self.message, extra={"action": "replica_crashed"})
            self._on_change()

    def _restart(self) -> None:
        with self.core.lock:
            self._timer = None
            if self.phase is ReplicaPhase.BACKING_OFF:
                self.restarts += 1
                self.save()
                self._begin()  # it holds its resources still

    def _remove(self) -> None:
        """Forget it: nothing of it runs."""
        self.close()
        with self.core.lock:
            self.is_gone = True
            self.core.release(self.claim.id)
            self._on_change()
        self.core.in_pool(self._remove_files)

    def _remove_files(self) -> None:
        shutil.rmtree(self.socket.parent, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None

    def close(self) -> None:
        """Stop watching; the process goes on. On the loop's thread."""
        self._cancel()
        if self._run is not None:
            self._run.close()
            self._run = None

    def log_tail(self) -> str:
        return workfiles.tail(self.folder / "log")


def socket_path(home: Path, replica_id: str) -> Path:
    """A short path below the home, or where that is too long, in a private folder among the temporary ones."""
    path = home / "run" / "r" / replica_id / "s"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    private = Path(tempfile.gettempdir()) / f"orrery-{os.geteuid()}-{digest}"
    with contextlib.suppress(FileExistsError):
        private.mkdir(mode=0o711)
    status = private.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022 or private.is_symlink():
        raise PermissionError(f"{private} belongs to somebody else; remove it, or choose a shorter home")
    return private / replica_id / "s"


async def is_ready(socket: Path, path: str) -> bool:
    """Whether `GET path` over the socket answers 200; no answer within two seconds is none."""
    writer = None
    try:
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            status = await reader.readline()
            return status.split(b" ")[1:2] == [b"200"]
    except (OSError, TimeoutError, ValueError):
        return False
    finally:
        if writer is not None:
            writer.close()
