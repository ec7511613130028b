"""A new version for which notebooks' servers have to be restarted: whom it concerns, when the platform does it itself.

Pure. Until the notice expires, people choose the moment. After that a server is restarted once nothing has run in it,
and nobody was there, for a while; one that works, or that was kept, goes on, and nothing is done without a report.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Upgrade:
    #: what changes, for those whose servers are restarted
    message: str
    #: servers that were started before are concerned
    since: datetime
    expires_at: datetime
    #: the administrator who said it; empty: the configuration
    by: str = ""

    @property
    def id(self) -> str:
        return self.since.isoformat()

    def concerns(self, started_at: str | None) -> bool:
        """Whether a server that runs since then has to be restarted."""
        return started_at is not None and datetime.fromisoformat(started_at) < self.since

    def restarts_now(self, now: datetime, idle_since: float | None, kept_until: float | None, quiet: float) -> bool:
        """Whether the platform restarts a server itself, which its owner has not.

        `idle_since`: as its server just reported, None while something runs there; `quiet`: for how many seconds
        nothing must have.
        """
        if now < self.expires_at or idle_since is None:
            return False
        return now.timestamp() >= max(idle_since + quiet, kept_until or 0.0)
