"""The apps that are awake: where each listens, and when somebody last used it. The platform asks before it puts one
to sleep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from orrery.gateway.routes import App
from orrery.gateway.upstream import Pool, RawPipe, UpstreamConnection
from orrery.serving.http import Connection


class AppState:
    """One app. A request is open until its answer has ended, a WebSocket until either side closes it."""

    def __init__(self, app: App, now: Callable[[], float]) -> None:
        self.app = app
        self.pool = Pool(app.address)
        self.open = 0
        self._now = now
        self._used_at = now()

    def enter(self) -> None:
        self.open += 1

    def leave(self) -> None:
        self.open -= 1
        self._used_at = self._now()

    @property
    def idle_seconds(self) -> float:
        """Since the end of the last request, or since the gateway knows it."""
        return 0.0 if self.open else self._now() - self._used_at


class AppTable:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._apps: dict[str, AppState] = {}
        #: out of the routes, with somebody still connected
        self._leaving: dict[str, list[AppState]] = {}

    def find(self, app_id: str) -> AppState | None:
        return self._apps.get(app_id)

    def apply(self, apps: Iterable[App]) -> None:
        before, self._apps = self._apps, {}
        for app in apps:
            known = before.get(app.id)
            if known is not None and known.app.address == app.address:
                known.app = app
                self._apps[app.id] = before.pop(app.id)
            else:
                self._apps[app.id] = AppState(app, self._now)
        for app_id, state in before.items():
            state.pool.retire()
            self._leaving.setdefault(app_id, []).append(state)

    def document(self) -> dict[str, dict[str, float]]:
        """By app: how much is open, and for how long nobody has used it."""
        busy = {app_id: [state for state in states if state.open] for app_id, states in self._leaving.items()}
        self._leaving = {app_id: states for app_id, states in busy.items() if states}
        found: dict[str, dict[str, float]] = {}
        for app_id, states in self._leaving.items():
            found[app_id] = {"open": sum(state.open for state in states), "idle_seconds": 0.0}
        for app_id, state in self._apps.items():
            there = found.get(app_id, {"open": 0})["open"] + state.open
            found[app_id] = {"open": there, "idle_seconds": 0.0 if there else round(state.idle_seconds, 3)}
        return found


class CountedPipe(RawPipe):
    """A WebSocket that counts as use of its app for as long as it is open."""

    def __init__(
        self, client: Connection, upstream: UpstreamConnection, rest: bytes, on_end: Callable[[], None]
    ) -> None:
        self._on_end: Callable[[], None] | None = on_end
        super().__init__(client, upstream, rest)

    def on_raw_lost(self) -> None:
        super().on_raw_lost()
        self._end()

    def on_upstream_lost(self) -> None:
        super().on_upstream_lost()
        self._end()

    def _end(self) -> None:
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end()
