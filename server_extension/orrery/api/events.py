"""The event stream: every panel lives on it.

One reader follows the log for all streams of the process; each stream gets only what its user may see. Ids are the
log's, so that a stream resumes exactly where it was cut off, also after a restart of the platform.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from orrery.api.views import views
from orrery.domain.access import User
from orrery.domain.records import Json
from orrery.errors import Invalid
from orrery.store.events import Event, EventLog, may_see
from orrery.store.resources import ResourceStore

KEEP_ALIVE_SECONDS: Final = 15.0
#: changes within this time reach a stream together
GATHER_SECONDS: Final = 0.05
#: other platform processes over the same PostgreSQL write events that no wake tells of
OTHERS_SECONDS: Final = 2.0


class EventHub:
    """Wakes the streams of this process when the log has grown."""

    def __init__(self, store: ResourceStore, log: EventLog) -> None:
        self.store = store
        self.log = log
        self._grown = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closing = False
        store.listen(self._on_change)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def _on_change(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        self.closing = True
        self._wake()

    async def grown(self, seconds: float) -> bool:
        """Wait until the log has grown; False after `seconds` without."""
        waiting = self._grown
        try:
            async with asyncio.timeout(seconds):
                await waiting.wait()
        except TimeoutError:
            return False
        return True

    async def stream(self, user: User, kinds: frozenset[str] | None, after: int | None) -> AsyncIterator[bytes]:
        """Server-sent events from `after` on; None: from now on."""
        last = await asyncio.to_thread(self.log.latest)
        if after is not None:
            oldest = await asyncio.to_thread(self.log.oldest)
            if after > last or (oldest and after < oldest - 1):
                yield f"id: {last}\nevent: reset\ndata: {{}}\n\n".encode()
            else:
                last = after
        yield f"id: {last}\n: connected\n\n".encode()
        quiet = 0.0
        step = KEEP_ALIVE_SECONDS if self.store.database.is_sqlite else OTHERS_SECONDS
        while not self.closing:
            waiting = self._grown
            events = await asyncio.to_thread(self.log.after, last)
            if events:
                quiet = 0.0
                last = events[-1].id
                body = await asyncio.to_thread(self._render, user, kinds, events)
                # an id without data keeps the reader's place past what it may not see
                yield body or f"id: {last}\n\n".encode()
                await asyncio.sleep(GATHER_SECONDS)
                continue
            if waiting is not self._grown:
                continue
            if not await self.grown(step):
                quiet += step
                if quiet >= KEEP_ALIVE_SECONDS:
                    quiet = 0.0
                    yield b": still here\n\n"

    def _render(self, user: User, kinds: frozenset[str] | None, events: list[Event]) -> bytes:
        seen = [event for event in events if (kinds is None or event.kind in kinds) and may_see(user, event)]
        records = [event.record for event in seen if event.record is not None]
        shown: dict[str, Json] = {item["id"]: item for item in views(self.store, self.store.kinds, records)}
        pieces: list[bytes] = []
        for event in seen:
            resource: Json = shown.get(event.resource_id) or {
                "id": event.resource_id,
                "kind": event.kind,
                **(event.last_seen or {}),
            }
            data = orjson.dumps({"type": event.type, "resource": resource}, default=str)
            pieces.append(b"id: %d\nevent: resource\ndata: %s\n\n" % (event.id, data))
        return b"".join(pieces)


def make_router(hub: EventHub, current_user: Any) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["Events"])

    @router.get("/events", summary="Changes as server-sent events with resumable ids")
    async def events(  # pyright: ignore[reportUnusedFunction]
        user: Annotated[User, Depends(current_user)],
        kinds: Annotated[str | None, Query(description="Names of kinds, with commas; empty: all.")] = None,
        after: Annotated[int | None, Query(ge=0, description="The last id seen.")] = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        wanted = frozenset(kinds.split(",")) if kinds else None
        unknown = [name for name in wanted or () if name not in hub.store.kinds]
        if unknown:
            raise Invalid(
                f"kind {unknown[0]!r} is unknown; there are {', '.join(kind.name for kind in hub.store.kinds)}"
            )
        resumed = int(last_event_id) if last_event_id and last_event_id.isdecimal() else after
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(hub.stream(user, wanted, resumed), media_type="text/event-stream", headers=headers)

    return router
