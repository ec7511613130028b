"""TensorBoard for a training or an experiment: an app whose state is its service, and a folder of logs.

The logs are what the jobs wrote to `EM_TENSORBOARD_LOG_DIR`, joined by the metrics that they reported, copied on and on
while somebody looks. So TensorBoard reads one folder, wherever the jobs run, and a job need not know of it at all.

One TensorBoard serves all who may see an experiment; it shows the trainings that every one of them may see.
"""

from __future__ import annotations

import logging
import shutil
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from orrery.apps.settings import HEALTH_PATH
from orrery.controllers import jobs
from orrery.controllers.apps import READY_SECONDS, Apps, AppState, Look
from orrery.controllers.contract import Platform
from orrery.controllers.event_file import append_points
from orrery.domain.access import Act, User, Visibility, is_allowed
from orrery.domain.records import Record
from orrery.errors import NotFound, OrreryError
from orrery.executors.contract import Resources, ServiceSpec, iter_chunks

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 2.0
SUFFIX: Final = "-tensorboard"
#: where a job finds its `EM_TENSORBOARD_LOG_DIR`, below its work folder
LOGS: Final = "tensorboard"
#: sorts behind what a job may write, so that it is read last
_OWN_FILE: Final = "events.out.tfevents.9999999999.orrery"
#: no core of its own: it holds up no training, and computes only while somebody looks
_RESOURCES: Final = Resources(cores=0.0, memory_bytes=512 << 20)


class TensorBoards:
    """Usage: `visit` at the door, and `check_boards` again and again. Thread-safe as far as these go."""

    def __init__(self, platform: Platform, apps: Apps) -> None:
        self.platform = platform
        self.apps = apps
        self._root = platform.settings.home / "apps"
        self._lock = threading.Lock()
        self._usual_seconds: float | None = None
        self._waking: dict[str, float] = {}
        self._failures: dict[str, Look] = {}
        #: those whose door is being closed
        self._leaving: set[str] = set()

    # visiting it

    def visit(self, record: Record, *, again: bool) -> Look:
        with self._lock:
            if again:
                self._failures.pop(record.id, None)
            elif record.id in self._failures:
                return self._failures[record.id]
            self._leaving.discard(record.id)
            if not self.apps.is_known(service_id(record)):
                self._waking[record.id] = self.platform.store.clock().timestamp()
            return self._told(record, self.apps.wake(record, self._service(record)))

    def _told(self, record: Record, look: Look) -> Look:
        began = self._waking.get(record.id)
        if look.state is AppState.AWAKE and began is not None:
            del self._waking[record.id]
            self._usual_seconds = round(self.platform.store.clock().timestamp() - began, 1)
        elif look.state is AppState.FAILED:
            self._failures[record.id] = look
            self._put_down(record.id)
        return Look(look.state, look.message, look.log, self._usual_seconds)

    def _service(self, record: Record) -> ServiceSpec:
        title = f"{record.name} · TensorBoard"
        return ServiceSpec(
            id=service_id(record),
            owner=record.owner,
            title=f"TensorBoard of {record.name}",
            argv=(sys.executable, "-m", "orrery.apps.tensorboard", str(self._folder(record.id)), title),
            resources=_RESOURCES,
            ready_path=HEALTH_PATH,
            ready_timeout_seconds=READY_SECONDS,
            grace_seconds=2,
        )

    # keeping it

    def check_boards(self) -> None:
        """One turn: new logs for those that are awake, and sleep for those that nobody looks at."""
        led_to = self.apps.router.app_ids()
        services = [state.id for state in self.platform.executor.services()]
        self.clear_up(led_to, services)
        for service in services:
            if service.endswith(SUFFIX):
                try:
                    self._check(jobs.resource_id_of(service))
                except (OrreryError, OSError) as error:
                    log.warning("%s: %s", service, error, extra={"action": "tensorboard_failed"})

    def clear_up(self, led_to: Iterable[str], services: Iterable[str]) -> None:
        """Forget the addresses and the logs of what runs no more: a platform that ended may have left some."""
        running = {jobs.resource_id_of(service) for service in services}
        for app_id in led_to:
            if app_id not in running:
                self.apps.close_door(app_id)
        if not self._root.is_dir():
            return
        for folder in self._root.iterdir():
            with self._lock:
                if not self.apps.is_known(f"{folder.name}{SUFFIX}"):
                    shutil.rmtree(folder, ignore_errors=True)

    def _check(self, resource_id: str) -> None:
        record = self.platform.store.find(resource_id)
        if record is None or record.deleted_at is not None:
            with self._lock:
                self._put_down(resource_id)
            return
        self._copy_logs(record)
        with self._lock:
            if record.id in self._leaving:
                self._leave(record)
                return
            look = self._told(record, self.apps.wake(record, self._service(record)))
            idle = self.apps.idle_seconds(record) if look.state is AppState.AWAKE else None
            if idle is not None and idle >= self.platform.settings.tensorboard_idle_minutes * 60:
                self._leaving.add(record.id)
                self._leave(record)

    def _leave(self, record: Record) -> None:
        """Nobody is let in any more; once that is so, and nobody is in, it ends."""
        if not self.apps.close_door(record.id):
            return
        if self.apps.is_used(record):
            self._leaving.discard(record.id)
        else:
            self._put_down(record.id)

    def _put_down(self, resource_id: str) -> None:
        self.apps.close_door(resource_id)
        self.apps.end(f"{resource_id}{SUFFIX}")
        self._leaving.discard(resource_id)
        shutil.rmtree(self._folder(resource_id), ignore_errors=True)

    # its logs

    def _folder(self, resource_id: str) -> Path:
        return self._root / resource_id

    def _copy_logs(self, record: Record) -> None:
        folder = self._folder(record.id)
        folder.mkdir(parents=True, exist_ok=True)
        shown: set[str] = set()
        for training in self._trainings(record):
            attempt = int(training.internal.get("attempt", 0))
            if attempt:
                name = run_name(record, training, attempt)
                shown.add(name)
                self._copy_run(training, attempt, folder / name)
        for gone in folder.iterdir():
            # renamed, or not for everybody to see any more
            if gone.name not in shown:
                shutil.rmtree(gone, ignore_errors=True)

    def _trainings(self, record: Record) -> list[Record]:
        if record.kind == "training":
            return [record]
        weakest = weakest_reader(record)
        found = self.platform.store.dependents(record.id)
        return [other for other in found if other.kind == "training" and is_allowed(weakest, Act.READ, other)]

    def _copy_run(self, training: Record, attempt: int, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        job_id = jobs.make_job_id(training, attempt)
        try:
            written = [file for file in self.platform.executor.files(job_id) if file.path.startswith(f"{LOGS}/")]
            for file in written:
                self._copy_rest(job_id, file.path, file.size, folder / file.path.removeprefix(f"{LOGS}/"))
        except NotFound:
            log.debug("%s has no folder (any more)", job_id)
        append_points(folder / _OWN_FILE, self.platform.metrics.history(training.id, attempt))

    def _copy_rest(self, job_id: str, path: str, size: int, target: Path) -> None:
        """What a log has grown by. Event files only ever grow; one that has shrunk is taken anew."""
        have = target.stat().st_size if target.exists() else 0
        if have == size:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = "ab" if have < size else "wb"
        with self.platform.executor.open_file(job_id, path) as source, target.open(mode) as file:
            source.seek(file.tell())
            for chunk in iter_chunks(source):
                file.write(chunk)


def service_id(record: Record) -> str:
    return f"{record.id}{SUFFIX}"


def weakest_reader(record: Record) -> User:
    """Somebody who may read the record, and nothing else that is not as open."""
    match record.visibility:
        case Visibility.PUBLIC:
            return User("")
        case Visibility.GROUP:
            return User("", frozenset({record.group or ""}))
        case Visibility.PRIVATE:
            return User(record.owner, frozenset({record.owner}))


def run_name(record: Record, training: Record, attempt: int) -> str:
    """What TensorBoard calls it: the training's name, with its owner's where that is somebody else."""
    owner = "" if training.owner == record.owner else f" ({quote(training.owner, safe='@')})"
    again = f" (attempt {attempt})" if attempt > 1 else ""
    return f"{training.name}{owner}{again}"
