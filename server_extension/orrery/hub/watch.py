"""What the hub says of all servers, looked at every few seconds; whoever is concerned by a change is told.

The hub is asked once for everybody, not once for each notebook. Whether a server answers is tried through the hub's
proxy, as a browser would reach it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from orrery.errors import Unavailable
from orrery.hub.client import HubClient, Server

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 2.0
PROBE_EVERY_SECONDS: Final = 15.0
#: one lost answer is no illness
FAILURES: Final = 2
_AT_ONCE: Final = 8

Key = tuple[str, str]


class HubWatch:
    """`changed` is called with the user's and the server's name, from the thread that looks."""

    def __init__(self, hub: HubClient, changed: Callable[[str, str], None]) -> None:
        self.hub = hub
        self._changed = changed
        self._servers: Mapping[Key, Server] | None = None
        self._failures: dict[Key, int] = {}
        self._probed_at: float | None = None
        self._is_silent = False

    def server(self, user: str, name: str) -> Server | None:
        """As last seen; None where it is stopped. Raises: Unavailable before the hub was seen at all."""
        if self._servers is None:
            raise Unavailable("the hub has not answered yet")
        return self._servers.get((user, name))

    def is_healthy(self, user: str, name: str) -> bool:
        return self._failures.get((user, name), 0) < FAILURES

    async def run(self) -> None:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hub") as threads:
            while True:
                await asyncio.to_thread(self.look, threads)
                await asyncio.sleep(LOOK_SECONDS)

    def look(self, threads: ThreadPoolExecutor) -> None:
        """Ask once, and tell what has changed."""
        try:
            # a server without a name is nobody's notebook
            seen = {(server.user, server.name): server for server in self.hub.servers() if server.name}
        except Unavailable as error:
            if not self._is_silent:
                log.warning("%s", error.message, extra={"action": "hub_silent"})
            self._is_silent = True
            return
        self._is_silent = False
        before, self._servers = self._servers or {}, seen
        changed = {key for key in seen.keys() | before.keys() if _state(seen.get(key)) != _state(before.get(key))}
        changed |= self._probe(threads, seen)
        for user, name in sorted(changed):
            self._changed(user, name)

    def _probe(self, threads: ThreadPoolExecutor, seen: Mapping[Key, Server]) -> set[Key]:
        """Those whose health has changed."""
        now = time.monotonic()
        if self._probed_at is not None and now < self._probed_at + PROBE_EVERY_SECONDS:
            return set()
        self._probed_at = now
        ready = [server for server in seen.values() if server.ready]
        answers = threads.map(self.hub.is_answering, ready)
        failures = dict[Key, int]()
        for server, is_answering in zip(ready, answers, strict=True):
            key = (server.user, server.name)
            failures[key] = 0 if is_answering else self._failures.get(key, 0) + 1
        before, self._failures = self._failures, failures
        return {key for key, count in failures.items() if (count >= FAILURES) != (before.get(key, 0) >= FAILURES)}


def _state(server: Server | None) -> tuple[object, ...] | None:
    return None if server is None else (server.ready, server.pending, (server.last_activity or "")[:15])
