"""Waiting for a resource to settle: on the event stream, through lost connections and restarts of the platform."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from orrery.client.events import ResourceEvents
from orrery.client.failures import RunFailed, RunStopped, WaitTimeout
from orrery.client.logs import log_tail
from orrery.errors import NotFound, OrreryError

if TYPE_CHECKING:
    from orrery.client.resources import Resource

_GONE = frozenset({"deleted", "purged"})


class Display(Protocol):
    """What shows a wait: entered once, told of each change, left at the end."""

    def __enter__(self) -> object: ...
    def __exit__(self, *_: object) -> None: ...
    def update(self, resource: Resource) -> None: ...


def wait_until_settled(resource: Resource, *, timeout_seconds: float | None, display: Display) -> None:
    """Raises: RunFailed, RunStopped, WaitTimeout, NotFound."""
    with display:
        resource.refresh()
        display.update(resource)
        if not resource.has_settled():
            _follow(resource, timeout_seconds, display)
    check_outcome(resource)


def _follow(resource: Resource, timeout_seconds: float | None, display: Display) -> None:
    events = ResourceEvents(resource.client.transport, [resource.kind])
    with _ended_after(events, timeout_seconds):
        for event in events:
            if event.resource is None:
                # a new connection, a gap, or a quiet stretch: the resource itself is the truth
                resource.refresh()
            elif event.resource.get("id") != resource.id:
                continue
            elif event.type in _GONE:
                raise NotFound(f"{resource.kind} {resource.qualified_name} was deleted while it was waited for")
            else:
                resource.replace(event.resource)
            if resource.has_settled():
                # events leave out what is large
                display.update(resource.refresh())
                return
            display.update(resource)
    raise WaitTimeout(
        f"{resource.kind} {resource.qualified_name} is still {resource.status.phase} after {timeout_seconds:g} s; "
        "it goes on, wait for it again"
    )


@contextmanager
def _ended_after(events: ResourceEvents, seconds: float | None) -> Generator[None]:
    timer = threading.Timer(seconds, events.close) if seconds is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        events.close()


def wait_until_phase(resource: Resource, is_there: Callable[[str], bool]) -> None:
    """Follow it until its phase is one that is waited for, or nothing will change any more."""
    resource.refresh()
    events = ResourceEvents(resource.client.transport, [resource.kind])
    try:
        for _ in events:
            if is_there(resource.refresh().status.phase) or resource.has_settled():
                return
    finally:
        events.close()


def check_outcome(resource: Resource) -> None:
    """Raises: RunFailed when it ended badly, RunStopped when somebody else stopped it."""
    status = resource.status
    what = f"{resource.kind} {resource.qualified_name}"
    facts = {"id": resource.id, "kind": resource.kind, "phase": status.phase, "reason": status.reason}
    if status.state == "Failed":
        message = status.message or status.reason or "it gave no reason"
        raise RunFailed(f"{what} failed: {message}", log_tail=_tail(resource), **facts)
    if status.state == "Cancelled" and not resource.stop_asked:
        raise RunStopped(f"{what} was stopped", **facts)


def _tail(resource: Resource) -> str:
    try:
        return log_tail(resource.client.transport, f"{resource.path}/logs")
    except OrreryError:
        return ""  # it has none, or cannot be reached: the reason is told all the same
