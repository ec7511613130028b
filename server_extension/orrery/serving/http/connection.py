"""One client connection: parsing, ordering of pipelined requests, back-pressure, timeouts.

States follow from four facts: what the parser is in (`_phase`), the queue of exchanges (its front alone may answer),
the reasons for which reading is paused, and whether the connection is being closed. Requests are handed to the
application one at a time, in order; while one is unanswered and another has arrived, reading is paused.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from enum import Enum
from typing import Protocol, cast

import httptools

from orrery.serving.http.exchange import Application, Exchange, RawPeer
from orrery.serving.http.limits import Limits
from orrery.serving.http.messages import Head, HttpError, bad_request, error_body, status_line

log = logging.getLogger(__name__)

#: How long a client may go on sending after it was refused, so that it reads the answer instead of a reset.
LINGER_SECONDS = 2.0
#: Chunk sizes, extensions and trailers may add this to a chunked body, beside as much as the body itself.
CHUNK_OVERHEAD_BYTES = 65536

_PAUSED_PIPELINE, _PAUSED_BODY, _PAUSED_SINK = 1, 2, 4


class Phase(Enum):
    IDLE = "between requests"
    HEAD = "reading a head"
    BODY = "reading a body"
    #: nothing more is parsed: a fatal error, the last request, or the end of input
    DONE = "done"


class Host(Protocol):
    """What a connection needs of whoever accepted it."""

    application: Application
    limits: Limits
    #: coarse loop time in seconds; deadlines are compared with it
    now: float
    connections: set[ServerConnection]

    def forget(self, connection: ServerConnection) -> None:
        """It is closed."""
        ...


class ServerConnection(asyncio.Protocol):
    def __init__(self, server: Host) -> None:
        self._server = server
        self._limits = server.limits
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._phase = Phase.IDLE
        self._since = server.now
        #: of the head at hand: what has been parsed; what came in reads that held nothing else
        self._head_bytes = 0
        self._head_raw_bytes = 0
        self._raw_body_bytes = 0
        #: body bytes still to come of a request whose Upgrade is not taken (llhttp stops parsing there)
        self._plain_left = 0
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._parsing: Exchange | None = None
        self._queue: deque[Exchange | HttpError] = deque()
        self._dispatched: Exchange | None = None
        self._pumping = False
        self._paused = 0
        self._paused_at = 0.0
        self.writable = True
        self._stalled_at = 0.0
        self._stalled_size = 0
        self._closing = False
        self._eof = False
        self._close_deadline: float | None = None
        self._peer: RawPeer | None = None
        self.peername = ""

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = cast("object", transport.get_extra_info("peername"))
        # a unix socket's is a string
        self.peername = str(cast("tuple[object, ...]", peer)[0]) if isinstance(peer, tuple) else ""
        self._server.connections.add(self)
        if len(self._server.connections) > self._limits.connections:
            self._refuse(
                HttpError(
                    503,
                    "busy",
                    f"{self._limits.connections} connections are open; try again",
                    headers=b"retry-after: 1\r\n",
                )
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.forget(self)
        self._phase = Phase.DONE
        self._transport = None
        if self._peer is not None:
            self._peer.on_raw_lost()
            self._peer = None
        current, self._dispatched = self._dispatched, None
        self._queue.clear()
        if current is not None and not current.ended:
            current.ended = True
            if current.on_gone is not None:
                current.on_gone()

    def data_received(self, data: bytes) -> None:
        if self._peer is not None:
            self._peer.on_raw(data)
        elif self._phase is not Phase.DONE:
            self._parse(data)

    def eof_received(self) -> bool:
        """What has wholly arrived is answered; a streamed answer is cut, since its reader has most likely gone."""
        if self._peer is not None:
            return False
        current = self._dispatched
        if self._closing or current is None or not current.complete or current.started:
            return False
        self._phase = Phase.DONE
        self._eof = True
        return all(isinstance(queued, HttpError) or queued.complete for queued in self._queue)

    def pause_writing(self) -> None:
        self.writable = False
        self._stalled_at = self._server.now
        self._stalled_size = 0
        self._tell_writable(False)

    def resume_writing(self) -> None:
        self.writable = True
        self._tell_writable(True)

    def _tell_writable(self, writable: bool) -> None:
        if self._peer is not None:
            self._peer.on_raw_writable(writable)
        elif self._dispatched is not None and self._dispatched.on_writable is not None:
            self._dispatched.on_writable(writable)

    # ---- parsing

    def _parse(self, data: bytes) -> None:
        if self._plain_left:
            data = self._take_plain(data)
            if not data:
                return
        if self._phase is Phase.BODY:
            self._raw_body_bytes += len(data)
        elif self._phase is Phase.HEAD:
            self._head_raw_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._after_unwanted_upgrade(data[cast(int, stop.args[0]) :])
            return
        except httptools.HttpParserError as error:
            if self._phase is not Phase.DONE:
                self._refuse(_why(error))
            return
        if self._phase is Phase.HEAD:
            if self._head_raw_bytes > self._limits.head_bytes:
                self._refuse(self._head_too_large())
        elif self._phase is Phase.BODY:
            self._check_chunk_overhead()

    def _check_chunk_overhead(self) -> None:
        exchange = self._parsing
        if exchange is not None and self._raw_body_bytes > 2 * exchange.received_bytes + CHUNK_OVERHEAD_BYTES:
            self._refuse(bad_request("the chunked body is mostly framing; send larger chunks without extensions"))

    def on_message_begin(self) -> None:
        self._phase = Phase.HEAD
        self._since = self._server.now
        self._head_bytes = self._head_raw_bytes = 0
        self._target = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > self._limits.head_bytes:
            raise self._head_too_large()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is not Phase.HEAD:
            return  # a trailer: read and dropped
        self._headers.append((name.lower(), value))
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self._limits.head_bytes or len(self._headers) > self._limits.headers:
            raise self._head_too_large()

    def on_headers_complete(self) -> None:
        parser = self._parser
        head = Head(parser.get_method().decode("ascii"), self._target, parser.get_http_version(), self._headers)
        upgrades = parser.should_upgrade()
        head.keep_alive = parser.should_keep_alive()
        if not upgrades:
            head.upgrade = None
        elif head.chunked:
            raise bad_request("a chunked body cannot go with Upgrade; leave Upgrade out")
        self._phase = Phase.BODY
        self._since = self._server.now
        self._raw_body_bytes = 0
        exchange = Exchange(self, head)
        self._parsing = exchange
        if upgrades:
            self._plain_left = head.content_length or 0
        elif not head.chunked and not head.content_length:
            exchange.complete = True
        self._queue.append(exchange)
        if len(self._queue) > 1 or self._dispatched is not None:
            self._pause(_PAUSED_PIPELINE)
        self._pump()

    def on_body(self, body: bytes) -> None:
        if self._parsing is not None:
            self._parsing.feed(body)

    def on_message_complete(self) -> None:
        if self._plain_left or self._phase is Phase.DONE:
            return
        exchange, self._parsing = self._parsing, None
        self._phase = Phase.IDLE
        self._since = self._server.now
        if exchange is None:
            return
        if not exchange.head.keep_alive:
            self._phase = Phase.DONE
        already = exchange.complete
        if not already:
            exchange.feed_end()
        if exchange.ended:
            self._pump()

    def _take_plain(self, data: bytes) -> bytes:
        body, rest = data[: self._plain_left], data[self._plain_left :]
        self._plain_left -= len(body)
        self.on_body(body)
        if not self._plain_left:
            self.on_message_complete()
        return rest

    def _after_unwanted_upgrade(self, rest: bytes) -> None:
        if self._peer is not None:
            if rest:
                self._peer.on_raw(rest)
            return
        if self._phase is Phase.DONE:
            return
        self._parser = httptools.HttpRequestParser(self)
        if rest:
            self._parse(rest)

    def _head_too_large(self) -> HttpError:
        limits = self._limits
        limit = f"{limits.head_bytes} bytes or {limits.headers} headers"
        message = f"the request's head is over {limit}; send fewer or shorter headers"
        return HttpError(431, "head_too_large", message, details={"limit_bytes": limits.head_bytes}, close=True)

    # ---- order

    def _refuse(self, error: HttpError) -> None:
        """Answer `error` after what came before it, then close."""
        self._phase = Phase.DONE
        error.close = True
        parsing, self._parsing = self._parsing, None
        if parsing is not None and parsing is self._dispatched:
            # the fault lies in the body of the request that the application has in hand
            if parsing.ended:
                self._close(linger=True)
                return
            on_gone, parsing.on_gone = parsing.on_gone, None
            parsing.fail(error)
            if on_gone is not None:
                on_gone()
            return
        if parsing is not None and parsing in self._queue:
            self._queue.remove(parsing)
        self._queue.append(error)
        self._pump()

    def _pump(self) -> None:
        """Hand over the next request, if the one before it is done with."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._transport is not None:
                current = self._dispatched
                if current is not None:
                    if not current.ended or self._peer is not None:
                        return
                    if current.close:
                        self._dispatched = None
                        self._close(linger=not current.complete)
                        return
                    if not current.complete:
                        return  # the rest of the body is read and dropped
                    self._dispatched = None
                if not self._queue:
                    self._resume(_PAUSED_PIPELINE)
                    if self._closing or self._eof:
                        self._close(linger=False)
                    return
                following = self._queue.popleft()
                if isinstance(following, HttpError):
                    self.write(_whole(following))
                    self._close(linger=True)
                    return
                if not self._queue:
                    self._resume(_PAUSED_PIPELINE)
                self._dispatched = following
                self._dispatch(following)
        finally:
            self._pumping = False

    def _dispatch(self, exchange: Exchange) -> None:
        try:
            self._server.application.on_request(exchange)
        except HttpError as error:
            exchange.fail(error)
        except Exception:
            log.exception("request failed", extra={"action": "dispatch"})
            exchange.fail(HttpError(500, "internal", "this is a fault of the server; its log says more"))

    def exchange_ended(self, exchange: Exchange) -> None:
        self._resume(_PAUSED_BODY | _PAUSED_SINK)
        self._since = self._server.now
        self._pump()

    # ---- reading and writing

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def pause_body(self) -> None:
        self._pause(_PAUSED_BODY)

    def resume_body(self) -> None:
        self._resume(_PAUSED_BODY)

    def pause_sink(self) -> None:
        self._pause(_PAUSED_SINK)

    def resume_sink(self) -> None:
        self._resume(_PAUSED_SINK)

    def _pause(self, reason: int) -> None:
        self._paused |= reason
        self._apply_pause()

    def _resume(self, reason: int) -> None:
        if self._paused & reason:
            self._paused &= ~reason
            self._apply_pause()

    def _apply_pause(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._paused and transport.is_reading():
            self._paused_at = self._server.now
            transport.pause_reading()
        elif not self._paused and not transport.is_reading():
            self._since += self._server.now - self._paused_at
            transport.resume_reading()

    def take_over(self, peer: RawPeer) -> None:
        """From here on raw bytes go to `peer` (WebSocket)."""
        self._peer = peer
        self._phase = Phase.DONE
        self._paused = 0
        self._apply_pause()

    # ---- closing

    @property
    def last_answer(self) -> bool:
        """The answer about to be given is the last on this connection."""
        return self._closing or (self._eof and not self._queue)

    @property
    def idle(self) -> bool:
        return self._dispatched is None and not self._queue and self._phase in (Phase.IDLE, Phase.DONE)

    def drain(self) -> None:
        """Answer what has begun, then close."""
        self._closing = True
        if self.idle or self._peer is not None:
            self._close(linger=False)
        elif self._dispatched is not None and self._dispatched.on_drain is not None:
            self._dispatched.on_drain()

    def close(self) -> None:
        self._close(linger=False)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _close(self, *, linger: bool) -> None:
        transport = self._transport
        self._phase = Phase.DONE
        if transport is None or self._close_deadline is not None:
            return
        if linger and transport.can_write_eof() and not transport.is_closing():
            self._close_deadline = self._server.now + LINGER_SECONDS
            self._paused = 0
            self._apply_pause()
            transport.write_eof()
            return
        self._close_deadline = self._server.now + self._limits.write_stall_seconds
        transport.close()

    def sweep(self, now: float) -> None:
        """End what has waited too long. Called about twice a second."""
        limits = self._limits
        if self._close_deadline is not None:
            if now > self._close_deadline:
                self.abort()
            return
        if not self.writable and self._transport is not None:
            size = self._transport.get_write_buffer_size()
            if size != self._stalled_size:
                self._stalled_size, self._stalled_at = size, now
            elif now - self._stalled_at > limits.write_stall_seconds:
                self.abort()
                return
        if self._peer is not None or self._paused:
            return
        waited = now - self._since
        if self._phase is Phase.IDLE:
            if waited > limits.idle_seconds and self.idle:
                self._close(linger=False)
        elif self._phase is Phase.HEAD:
            if waited > limits.head_seconds:
                self._refuse(
                    HttpError(
                        408, "slow_client", f"the request's head took longer than {limits.head_seconds:g} seconds"
                    )
                )
        elif self._phase is Phase.BODY and self._parsing is not None:
            exchange = self._parsing
            if waited > limits.body_grace_seconds + exchange.received_bytes / limits.body_bytes_per_second:
                if exchange.ended:
                    self._close(linger=False)
                else:
                    self._refuse(
                        HttpError(
                            408,
                            "slow_client",
                            f"the body comes slower than {limits.body_bytes_per_second} bytes/second",
                        )
                    )


def _why(error: httptools.HttpParserError) -> HttpError:
    """What a callback raised, or the parser's own reason as a 400."""
    cause = error.__context__
    if isinstance(error, httptools.HttpParserCallbackError) and isinstance(cause, HttpError):
        return cause
    if isinstance(error, httptools.HttpParserCallbackError):
        log.error("parsing failed", exc_info=cause, extra={"action": "parse"})
        return HttpError(500, "internal", "this is a fault of the server; its log says more")
    return bad_request(f"this is not a valid HTTP/1.1 request: {error}")


def _whole(error: HttpError) -> bytes:
    body = error_body(error)
    return b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n%b" % (
        status_line(error.status),
        len(body),
        error.headers,
        body,
    )
