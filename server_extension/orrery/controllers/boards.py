"""Boards: apps that look at what a resource did. Their state is their service alone; no phase tells of it.

A board holds no core of its own: it holds up no training, and computes only while somebody looks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from orrery.apps.settings import HEALTH_PATH
from orrery.controllers import jobs
from orrery.controllers.apps import READY_SECONDS, Apps, AppState, Look
from orrery.controllers.contract import Platform
from orrery.domain.records import Record
from orrery.errors import OrreryError
from orrery.executors.contract import Resources, ServiceSpec

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 2.0
_RESOURCES: Final = Resources(cores=0.0, memory_bytes=512 << 20)


class Boards:
    """Those of one program. `visit` at the door, and `check` again and again. Thread-safe as far as these go."""

    #: what people call it
    title: ClassVar[str]
    #: of the service's id
    service_suffix: ClassVar[str]
    #: of the app's id, which begins with its resource's
    app_suffix: ClassVar[str] = ""

    def __init__(self, platform: Platform, apps: Apps) -> None:
        self.platform = platform
        self.apps = apps
        self.lock = threading.Lock()
        self._usual_seconds: float | None = None
        self._waking: dict[str, float] = {}
        self._failures: dict[str, Look] = {}
        #: those whose door is being closed
        self._leaving: set[str] = set()

    # what each program has of its own

    def program(self, record: Record) -> tuple[str, ...]:
        """What is run for it."""
        raise NotImplementedError

    def look_first(self, record: Record) -> Look | None:
        """What a visitor is told instead of waking it, where there is nothing to see."""
        return None

    def refresh(self, record: Record) -> None:
        """Bring what it shows up to date."""

    def clear(self, resource_id: str) -> None:
        """Remove what it was given to show."""

    def clear_all(self) -> None:
        """Remove what a platform that ended has left of those that run no more. The lock is not held."""

    # visiting it

    def visit(self, record: Record, *, again: bool) -> Look:
        with self.lock:
            if (told := self.look_first(record)) is not None:
                return told
            if again:
                self._failures.pop(record.id, None)
            elif record.id in self._failures:
                return self._failures[record.id]
            self._leaving.discard(record.id)
            if not self.apps.is_known(self.service_id(record.id)):
                self._waking[record.id] = self.platform.store.clock().timestamp()
            return self._told(record, self._wake(record))

    def _wake(self, record: Record) -> Look:
        return self.apps.wake(record, self._service(record), suffix=self.app_suffix)

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
        return ServiceSpec(
            id=self.service_id(record.id),
            owner=record.owner,
            title=f"{self.title} of {record.name}",
            argv=self.program(record),
            resources=_RESOURCES,
            ready_path=HEALTH_PATH,
            ready_timeout_seconds=READY_SECONDS,
            grace_seconds=2,
        )

    def service_id(self, resource_id: str) -> str:
        return f"{resource_id}{self.service_suffix}"

    # keeping it

    def check(self, services: Iterable[str]) -> None:
        """One turn: what is new for those that are awake, and sleep for those that nobody looks at."""
        self.clear_all()
        for service in services:
            if service.endswith(self.service_suffix):
                try:
                    self._check(jobs.resource_id_of(service))
                except (OrreryError, OSError) as error:
                    log.warning("%s: %s", service, error, extra={"action": "board_failed"})

    def _check(self, resource_id: str) -> None:
        record = self.platform.store.find(resource_id)
        if record is None or record.deleted_at is not None:
            with self.lock:
                self._put_down(resource_id)
            return
        self.refresh(record)
        with self.lock:
            if record.id in self._leaving:
                self._leave(record.id)
                return
            look = self._told(record, self._wake(record))
            idle = self.apps.idle_seconds(record.id + self.app_suffix) if look.state is AppState.AWAKE else None
            if idle is not None and idle >= self.platform.settings.tensorboard_idle_minutes * 60:
                self._leaving.add(record.id)
                self._leave(record.id)

    def _leave(self, resource_id: str) -> None:
        """Nobody is let in any more; once that is so, and nobody is in, it ends."""
        app_id = resource_id + self.app_suffix
        if not self.apps.close_door(app_id):
            return
        if self.apps.is_used(app_id):
            self._leaving.discard(resource_id)
        else:
            self._put_down(resource_id)

    def _put_down(self, resource_id: str) -> None:
        self.apps.close_door(resource_id + self.app_suffix)
        self.apps.end(self.service_id(resource_id))
        self._leaving.discard(resource_id)
        self.clear(resource_id)


def check_boards(apps: Apps, boards: Sequence[Boards]) -> None:
    """One turn for all of them, and for addresses of what runs no more: a platform that ended may have left some."""
    led_to = apps.router.app_ids()
    services = [state.id for state in apps.platform.executor.services()]
    suffixes = {kind.service_suffix: kind.app_suffix for kind in boards}
    running: set[str] = set()
    for service in services:
        resource_id = jobs.resource_id_of(service)
        running.add(resource_id + suffixes.get(service.removeprefix(resource_id), ""))
    for app_id in led_to:
        if app_id not in running:
            apps.close_door(app_id)
    for kind in boards:
        kind.check(services)
