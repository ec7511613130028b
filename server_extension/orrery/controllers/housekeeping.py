"""What is done now and then: emptying the trash, forgetting old events and logs, collecting objects nobody needs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from orrery.controllers import jobs
from orrery.controllers.contract import Controller, Platform
from orrery.controllers.tensorboard import LOGS
from orrery.domain.trainings import TRAINING
from orrery.errors import OrreryError
from orrery.store.collection import collect
from orrery.store.events import EventLog
from orrery.store.rows import Query

log = logging.getLogger(__name__)


class Housekeeping:
    """Every check may be cut off anywhere and run again."""

    def __init__(
        self,
        platform: Platform,
        controllers: Mapping[str, Controller],
        events: EventLog,
        holders: Sequence[Callable[[], set[str]]] = (),
    ) -> None:
        """`holders`: who else keeps objects alive, besides resources and uploads."""
        self.platform = platform
        self.controllers = controllers
        self.events = events
        #: jobs whose TensorBoard logs are gone already
        self._without_logs: set[str] = set()
        self.holders = (platform.store.held_objects, platform.uploads.oids, *holders)

    def wake_all(self) -> None:
        """After a start: look at everything that may have moved while nobody watched."""
        unsettled = {
            kind.name: {
                name for name, phase in kind.machine.phases.items() if not phase.settled or phase.state == "Active"
            }
            for kind in self.platform.store.kinds
            # of the others nothing ever moves
            if not all(phase.settled for phase in kind.machine.phases.values())
        }
        self.platform.store.leases.release()
        self.platform.store.leases.wake_all(unsettled)

    def check_all(self) -> None:
        for check in (self.check_trash, self.check_events, self.check_uploads, self.check_logs, self.check_objects):
            try:
                check()
            except OrreryError as error:
                log.error("%s: %s", check.__name__, error.message, extra={"action": "housekeeping_failed"})

    def check_trash(self) -> int:
        """Purge what has been in the trash for its time; returns how many. What cannot be purged now is tried again."""
        before = self.platform.store.clock() - timedelta(days=self.platform.settings.trash_days)
        purged = 0
        for record in self.platform.store.every(Query(trashed=True, order="created_at")):
            if record.deleted_at is None or record.deleted_at > before or record.phase == "DELETE_IN_PROGRESS":
                continue
            try:
                self.controllers[record.kind].purge(record)
                self.platform.store.purge(record.id)
            except OrreryError as error:
                log.error("%s stays in the trash: %s", record.label, error.message, extra={"action": "purge_failed"})
                continue
            purged += 1
        return purged

    def check_events(self) -> int:
        return self.events.prune(self.platform.store.clock())

    def check_uploads(self) -> None:
        self.platform.uploads.expire()

    def check_logs(self) -> int:
        """Remove the TensorBoard logs of trainings that ended long ago; returns of how many jobs.

        Their metrics stay: they are rows of the database, not logs.
        """
        before = self.platform.store.clock() - timedelta(days=self.platform.settings.tensorboard_days)
        removed = 0
        for job in self.platform.executor.jobs():
            if job.exit is None or job.exit.ended_at > before or job.id in self._without_logs:
                continue
            record = self.platform.store.find(jobs.resource_id_of(job.id))
            if record is not None and record.kind == TRAINING.name:
                removed += self.platform.executor.remove_folder(job.id, LOGS)
            self._without_logs.add(job.id)
        if removed:
            log.info("removed the TensorBoard logs of %d jobs", removed, extra={"action": "logs_removed"})
        return removed

    def held(self) -> set[str]:
        """Every object that somebody refers to."""
        return set[str]().union(*(holder() for holder in self.holders))

    def check_objects(self) -> None:
        report = collect(self.platform.objects, self.held)
        if report.deleted:
            log.info(
                "collected %d objects, %d bytes", report.deleted, report.freed_bytes, extra={"action": "collected"}
            )
