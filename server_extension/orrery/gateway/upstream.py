"""Connections to replicas and to the platform: response parsing, pooling.

A `Pool` belongs to one address. A request is given to a connection with a `Consumer`, which hears what comes back. A
connection that saw anything unexpected is closed, never reused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, cast
from urllib.parse import urlsplit

import httptools

from orrery.serving.http import Connection, RawPeer

#: An idle connection is not reused after this long; uvicorn closes its own after 5 seconds.
REUSE_SECONDS: Final = 4.0
IDLE_CONNECTIONS: Final = 64
CONNECT_SECONDS: Final = 5.0
#: A response's head may be this large.
HEAD_BYTES: Final = 65536


class Consumer(Protocol):
    """Hears one response: `on_head`, `on_answer`s, then `on_answer_end`; or `on_lost`, at any point before the end."""

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None: ...

    def on_answer(self, data: bytes) -> None: ...

    def on_answer_end(self) -> None: ...

    def on_lost(self, reason: str) -> None: ...

    def on_drain(self, writable: bool) -> None:
        """Whether more of the request may be written just now."""
        ...

    def on_switch(self, status: int, headers: list[tuple[bytes, bytes]], rest: bytes) -> None:
        """101: the connection carries raw bytes from here on."""
        ...


class UpstreamConnection(asyncio.Protocol):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._consumer: Consumer | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._status = 0
        self._is_head_request = False
        self._until_close = False
        self._reading_head = False
        self._raw: RawPipe | None = None
        #: used before, so that its peer may have closed it unnoticed
        self.reused = False
        #: the current request has wholly been written
        self.whole = True
        #: bytes of the current response have arrived
        self.heard = False
        #: loop time since when it is idle
        self.idle_since = 0.0

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._pool.forget(self)
        if self._raw is not None:
            self._raw.on_upstream_lost()
        elif self._consumer is not None and self._until_close and exc is None:
            self._finish(reusable=False)
        else:
            self._lose(str(exc) if exc else "closed by the peer")

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        if self._raw is not None:
            self._raw.on_upstream_data(data)
            return
        if self._consumer is None:
            self.close()
            return
        self.heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            consumer = self._take_consumer()
            if consumer is not None:
                consumer.on_switch(self._status, self._headers, data[cast(int, stop.args[0]) :])
            return
        except httptools.HttpParserError as error:
            reason = str(error.__context__ or error)
            self.close()
            self._lose(f"not a valid answer: {reason}")
            return
        if self._reading_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.close()
                self._lose(f"the answer's head is over {HEAD_BYTES} bytes")

    def pause_writing(self) -> None:
        self._tell_drain(False)

    def resume_writing(self) -> None:
        self._tell_drain(True)

    def _tell_drain(self, writable: bool) -> None:
        if self._raw is not None:
            self._raw.on_upstream_writable(writable)
        elif self._consumer is not None:
            self._consumer.on_drain(writable)

    # ---- requests

    def send(self, data: bytes, consumer: Consumer, *, is_head_request: bool = False, whole: bool = True) -> None:
        """Write a request's head, and its body if it is then `whole`."""
        self.whole = whole
        self._consumer = consumer
        self._is_head_request = is_head_request
        self._until_close = False
        self.heard = False
        self.write(data)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        if self._transport is not None and self._transport.is_reading() and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing() and not transport.is_reading():
            transport.resume_reading()

    def abandon(self) -> None:
        """Whoever asked has gone: nothing more is told, and the connection is closed."""
        self._consumer = None
        self._raw = None
        self.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def take_over(self, pipe: RawPipe) -> None:
        self._raw = pipe
        self.resume()

    # ---- parsing

    def on_message_begin(self) -> None:
        self._headers = []
        self._head_bytes = 0
        self._reading_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reading_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._reading_head = False
        self._status = status = self._parser.get_status_code()
        if status < 200 or self._consumer is None:
            return
        framed = any(name in (b"content-length", b"transfer-encoding") for name, _ in self._headers)
        self._until_close = not framed and status not in (204, 304) and not self._is_head_request
        self._consumer.on_head(status, self._headers)
        if self._is_head_request:
            # the parser would wait for a body that a HEAD's answer does not have
            self._finish(reusable=False)

    def on_body(self, body: bytes) -> None:
        if self._consumer is not None:
            self._consumer.on_answer(body)

    def on_message_complete(self) -> None:
        if self._status >= 200 and not self._until_close:
            self._finish(reusable=self._parser.should_keep_alive())

    def _finish(self, *, reusable: bool) -> None:
        consumer = self._take_consumer()
        if reusable and self.whole and self.usable:
            self.resume()
            self._pool.give_back(self)
        else:
            self.close()
        if consumer is not None:
            consumer.on_answer_end()

    def _take_consumer(self) -> Consumer | None:
        consumer, self._consumer = self._consumer, None
        return consumer

    def _lose(self, reason: str) -> None:
        consumer = self._take_consumer()
        if consumer is not None:
            consumer.on_lost(reason)


class RawPipe(RawPeer):
    """Joins a client's and an upstream's connection once both speak something else than HTTP."""

    def __init__(self, client: Connection, upstream: UpstreamConnection, rest: bytes) -> None:
        self._client = client
        self._upstream = upstream
        if rest:
            client.write(rest)
        client.take_over(self)
        upstream.take_over(self)

    def on_raw(self, data: bytes) -> None:
        self._upstream.write(data)

    def on_raw_writable(self, writable: bool) -> None:
        (self._upstream.resume if writable else self._upstream.pause)()

    def on_raw_lost(self) -> None:
        self._upstream.close()

    def on_upstream_data(self, data: bytes) -> None:
        self._client.write(data)

    def on_upstream_writable(self, writable: bool) -> None:
        (self._client.resume_sink if writable else self._client.pause_sink)()

    def on_upstream_lost(self) -> None:
        self._client.close()


class Pool:
    """Idle connections of one address, newest first."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._loop = asyncio.get_running_loop()
        self._idle: list[UpstreamConnection] = []
        self._retired = False
        self._dialling: set[asyncio.Task[None]] = set()

    def idle(self) -> UpstreamConnection | None:
        """A kept connection, if there is one that can still be used."""
        now = self._loop.time()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and now - connection.idle_since < REUSE_SECONDS:
                connection.reused = True
                return connection
            connection.close()
        return None

    def dial(self, done: Callable[[UpstreamConnection | None, str], None]) -> None:
        """Make a new connection; `done` gets it, or None and the reason."""
        task = self._loop.create_task(self._dial(done))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _dial(self, done: Callable[[UpstreamConnection | None, str], None]) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await self._connect()
        except TimeoutError:
            done(None, f"no connection within {CONNECT_SECONDS:g} seconds")
        except (OSError, ValueError) as error:
            done(None, str(error))
        else:
            done(connection, "")

    async def _connect(self) -> UpstreamConnection:
        def make() -> UpstreamConnection:
            return UpstreamConnection(self)

        if self.address.startswith("unix:"):
            _, connection = await self._loop.create_unix_connection(make, self.address.removeprefix("unix:"))
        else:
            host, port = split_address(self.address)
            _, connection = await self._loop.create_connection(make, host, port)
        return connection

    def give_back(self, connection: UpstreamConnection) -> None:
        if self._retired or len(self._idle) >= IDLE_CONNECTIONS:
            connection.close()
            return
        connection.idle_since = self._loop.time()
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def retire(self) -> None:
        """Close what is idle; what is busy closes when it has ended."""
        self._retired = True
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def split_address(address: str) -> tuple[str, int]:
    """`http://host:port` or `host:port`. Raises `ValueError`."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.hostname is None:
        raise ValueError(f"address {address!r} names no host")
    return parts.hostname, parts.port or 80
