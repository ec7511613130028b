"""What the calls of one gateway share: `app.Gateway` has it, and knows the calls; the calls know this."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from orrery.gateway.access_log import AccessLog
from orrery.gateway.apps import AppTable
from orrery.gateway.auth import Authenticator
from orrery.gateway.balancing import RoutingTable
from orrery.gateway.settings import Settings
from orrery.gateway.stats import Stats
from orrery.gateway.visits import Visits
from orrery.serving.http import Exchange


class TimedCall(Protocol):
    """A call that the clock looks after."""

    #: by `now`; None while it has none
    deadline: float | None
    done: bool

    def expire(self) -> None:
        """Its deadline has passed."""
        ...

    def attempt(self) -> None:
        """A replica may be ready for it by now."""
        ...


class GatewayParts(Protocol):
    """The parts of a gateway that a call uses."""

    settings: Settings
    access_log: AccessLog | None
    stats: Stats
    table: RoutingTable
    apps: AppTable
    visits: Visits
    authenticator: Authenticator
    #: monotonic, in seconds
    now: Callable[[], float]
    #: how long a replica that could not be reached is left alone, in seconds
    down_seconds: float
    #: with a deadline; and without a replica yet
    active: set[TimedCall]
    waiting: set[TimedCall]

    def forwarded(self, exchange: Exchange) -> bytes:
        """The `X-Forwarded-*` lines of a request."""
        ...

    def charge(self, size: int) -> None:
        """Count `size` bytes of a body as held (negative: let go). Raises: HttpError 503 over the budget."""
        ...
