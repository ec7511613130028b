"""Server-sent events, over as many connections as it takes.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from orrery.client.transport import Query, Transport
from orrery.errors import Unavailable

#: the platform sends a comment every 15 s; after this long without one, the connection is dead
_SILENCE_SECONDS = 45.0
_LONGEST_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class ServerEvent:
    """One event; `open` is ours and marks each new connection, `comment` stands for a keep-alive line."""

    name: str
    data: str = ""
    id: str = ""


@dataclass(frozen=True)
class ResourceEvent:
    """What happened to a resource: created, updated, deleted, restored, purged.

    Of type `open`, `reset` and `idle` it names none: read again what you show.
    """

    type: str
    resource: dict[str, Any] | None = None
    id: str = ""


def split_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines ending in LF or CRLF and nothing else: `str.splitlines` would cut data at U+2028."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")


def parse_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    name, event_id = "", ""
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield ServerEvent(name or "message", "\n".join(data), event_id)
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "":
                yield ServerEvent("comment", value, event_id)
            case "event":
                name = value
            case "data":
                data.append(value)
            case "id":
                event_id = value
            case _:
                pass


class EventSource:
    """The events of one route. Iterate in one thread; `close` may be called from any.

    A lost connection is made again with the last id, until the platform has been away for `patience_seconds`.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        query: Callable[[], Query],
        *,
        patience_seconds: float = 300.0,
        retry: bool = True,
    ) -> None:
        self._transport = transport
        self._path = path
        self._query = query
        self._patience_seconds = patience_seconds
        self._retry = retry
        self._closed = threading.Event()
        self._response: httpx.Response | None = None
        self._lock = threading.Lock()
        self.last_id = ""

    def __iter__(self) -> Iterator[ServerEvent]:
        away_since: float | None = None
        pause_seconds = 0.1
        while not self._closed.is_set():
            try:
                for event in self._connection():
                    away_since, pause_seconds = None, 0.1
                    yield event
                if not self._retry:
                    return
            except Unavailable:
                if self._closed.is_set():
                    return
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > self._patience_seconds:
                    raise
            self._closed.wait(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    def _connection(self) -> Iterator[ServerEvent]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        stream = self._transport.stream(
            "GET", self._path, query=self._query(), headers=headers, read_timeout_seconds=_SILENCE_SECONDS
        )
        with stream as response:
            with self._lock:
                self._response = response
            if self._closed.is_set():  # while it connected
                return
            try:
                yield ServerEvent("open")
                for event in parse_events(split_lines(response.iter_bytes())):
                    if self._closed.is_set():
                        return
                    self.last_id = event.id or self.last_id
                    yield event
            finally:
                with self._lock:
                    self._response = None

    def close(self) -> None:
        """Ends the iteration, also while it waits for the next event in another thread."""
        self._closed.set()
        with self._lock:
            response = self._response
        if response is None:
            return
        stream: Any = response.extensions.get("network_stream")
        connection: Any = stream.get_extra_info("socket") if stream is not None else None
        if connection is not None:
            with contextlib.suppress(OSError):  # it has just been closed from the other side
                connection.shutdown(socket.SHUT_RDWR)


class ResourceEvents:
    """`GET /events`: everything that happens to the resources of some kinds that the caller may see."""

    def __init__(
        self, transport: Transport, kinds: Sequence[str] = (), *, after: str = "", patience_seconds: float = 300.0
    ) -> None:
        query: Query = {"kinds": ",".join(kinds) or None}
        self._source = EventSource(transport, "/events", lambda: query, patience_seconds=patience_seconds)
        self._source.last_id = after

    @property
    def last_id(self) -> str:
        return self._source.last_id

    def __iter__(self) -> Iterator[ResourceEvent]:
        for event in self._source:
            match event.name:
                case "open" | "reset":
                    yield ResourceEvent(event.name, id=event.id)
                case "comment":
                    yield ResourceEvent("idle", id=event.id)
                case "resource":
                    document: dict[str, Any] = json.loads(event.data)
                    yield ResourceEvent(str(document["type"]), document["resource"], event.id)
                case _:
                    pass

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> ResourceEvents:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
