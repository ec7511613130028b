"""Apps: web applications of a resource, behind the log-in, asleep until somebody visits.

An app is one executor service of one replica while it is awake, and nothing while it sleeps. Its id is its resource's;
who may read the resource may visit; of a resource that has several apps, each further one has a suffix behind that id.
What shares this: dashboards (their phases tell what goes on) and boards (`orrery.controllers.boards`, whose service
alone does).

The order of falling asleep: the address leaves the routes; once the gateway has let go of it, and if nobody slipped in
meanwhile, the service ends. Waking goes the other way round: an app is awake when the gateway knows where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from orrery.controllers.contract import Platform
from orrery.controllers.routing import Router
from orrery.domain.records import Json, Record
from orrery.errors import UnknownService
from orrery.executors.contract import ReplicaPhase, ServiceSpec, ServiceState

#: between two looks while an app wakes or falls asleep
FOLLOW_SECONDS: Final = 0.25
READY_SECONDS: Final = 60.0
_WORDS: Final = {
    ReplicaPhase.PENDING: "Waiting for room on the machine",
    ReplicaPhase.STARTING: "Its program is starting",
    ReplicaPhase.BACKING_OFF: "Its program ended, and is started again",
}


class AppState(StrEnum):
    ASLEEP = "asleep"
    WAKING = "waking"
    AWAKE = "awake"
    FAILED = "failed"
    #: its owner has stopped it
    STOPPED = "stopped"


@dataclass(frozen=True)
class Look:
    """What a visitor is told."""

    state: AppState
    message: str = ""
    #: the last lines of its log, where it could not start
    log: str = ""
    #: how long waking took the last time
    usual_seconds: float | None = None
    #: where it is, awake, where the gateway does not lead to it
    address: str = ""


class AppHost(Protocol):
    """Runs the app of the resources of some kinds."""

    def visit(self, record: Record, *, again: bool) -> Look:
        """Somebody who may is there: wake it if it sleeps. Idempotent. `again`: also where it failed before."""
        ...


class Apps:
    """What every app does. Thread-safe; each method may be run again after a crash at any line."""

    def __init__(self, platform: Platform, router: Router) -> None:
        self.platform = platform
        self.router = router

    def wake(self, record: Record, service: ServiceSpec, *, suffix: str = "") -> Look:
        """Towards a running service that the gateway leads to, and how far that is."""
        app_id = record.id + suffix
        executor = self.platform.executor
        executor.apply_service(service)
        state = executor.service(service.id)
        address = _address(state)
        if address is None:
            self.router.publish_app(app_id, None)
            if state.failure is not None:
                return failed(state.failure)
            return Look(AppState.WAKING, _doing(state))
        if not self.router.is_taken(self.router.publish_app(app_id, _route(app_id, record, address))):
            return Look(AppState.WAKING, "It is ready; the way to it is being opened")
        return Look(AppState.AWAKE)

    def is_known(self, service_id: str) -> bool:
        try:
            self.platform.executor.service(service_id)
        except UnknownService:
            return False
        return True

    def idle_seconds(self, app_id: str) -> float | None:
        """For how long nobody has used it; None where the gateway cannot say."""
        use = self._use(app_id)
        return None if use is None else float(use["idle_seconds"])

    def is_used(self, app_id: str) -> bool:
        """Whether a request or a WebSocket is open, also where no new one is let in any more."""
        use = self._use(app_id)
        return use is not None and use["open"] > 0

    def _use(self, app_id: str) -> Json | None:
        answer = self.router.ask("/apps")
        return None if answer is None else answer["apps"].get(app_id)

    def close_door(self, app_id: str) -> bool:
        """Let nobody in any more; whether the gateway has heard of it."""
        return self.router.is_taken(self.router.publish_app(app_id, None))

    def end(self, service_id: str) -> None:
        self.platform.executor.remove_service(service_id)


def failed(failure: str) -> Look:
    """The executor's word on why a service does not start: a sentence, then its log's last lines."""
    message, _, log = failure.partition("\n")
    message = message.replace("a replica failed", "its program failed", 1)
    return Look(AppState.FAILED, message[:1].upper() + message[1:], log)


def _address(state: ServiceState) -> str | None:
    """Where it answers: at the newest revision as soon as that is ready."""
    ready = [replica for replica in state.replicas if replica.phase is ReplicaPhase.READY]
    current = [replica for replica in ready if replica.revision == state.revision]
    return (current or ready)[0].address if ready else None


def _doing(state: ServiceState) -> str:
    for replica in state.replicas:
        if replica.phase in _WORDS:
            reason = f" ({replica.message})" if replica.phase is ReplicaPhase.PENDING and replica.message else ""
            return _WORDS[replica.phase] + reason
    return "Its files are being put in place"


def _route(app_id: str, record: Record, address: str) -> Json:
    return {
        "id": app_id,
        "owner": record.owner,
        "address": address,
        "visibility": record.visibility.value,
        "group": record.group,
    }
