"""One request and its answer, as an application sees them.

The application gets an `Exchange` when the head is complete. It takes the body with `collect` (whole, bounded) or
`receive` (streamed to a `BodySink`), or not at all; and answers with `respond`, or `start`, `write` ... `end`. Calls
may come at any time from the event loop's thread. Nothing needs to be awaited: back-pressure arrives as
`BodySink`/`on_writable` calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from orrery.serving.http.messages import Head, HttpError, date_line, error_body, status_line

#: A body no larger than this is read and dropped to save the connection when it was answered early.
DISCARD_BYTES = 65536
#: An unclaimed body is buffered up to here before reading is paused.
UNCLAIMED_BYTES = 65536

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_JSON = b"application/json"


class BodySink(Protocol):
    """Where a streamed request body goes."""

    def on_data(self, data: bytes) -> None: ...

    def on_end(self) -> None: ...


class RawPeer(asyncio.Protocol):
    """The other end of an upgraded connection."""

    def on_raw(self, data: bytes) -> None: ...

    def on_raw_writable(self, writable: bool) -> None: ...

    def on_raw_lost(self) -> None: ...


class Connection(Protocol):
    """The client's connection, as an exchange uses it, and whoever takes it over."""

    #: whether the client reads as fast as is written
    writable: bool
    #: its address, empty for a Unix socket
    peername: str

    @property
    def last_answer(self) -> bool: ...

    def write(self, data: bytes) -> None: ...

    def pause_body(self) -> None: ...

    def resume_body(self) -> None: ...

    def pause_sink(self) -> None: ...

    def resume_sink(self) -> None: ...

    def exchange_ended(self, exchange: Exchange) -> None: ...

    def take_over(self, peer: RawPeer) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...


class Exchange:
    """See the module's docstring. `on_gone` is called once if the client goes before the answer has ended."""

    __slots__ = (
        "_buffer",
        "_buffered",
        "_chunked_answer",
        "_connection",
        "_sink",
        "close",
        "complete",
        "ended",
        "head",
        "oip_errors",
        "on_drain",
        "on_gone",
        "on_writable",
        "received_bytes",
        "sent_bytes",
        "started",
        "started_at",
        "status",
    )

    def __init__(self, connection: Connection, head: Head) -> None:
        self._connection = connection
        self.head = head
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._sink: BodySink | None = None
        #: the request's body has wholly arrived
        self.complete = False
        self.started = False
        self.ended = False
        self.close = not head.keep_alive
        self._chunked_answer = False
        #: `error_body` speaks the Open Inference Protocol
        self.oip_errors = False
        self.on_gone: Callable[[], None] | None = None
        #: called when the server begins to stop, for answers that would never end
        self.on_drain: Callable[[], None] | None = None
        #: called with False when the client reads too slowly, with True when there is room again
        self.on_writable: Callable[[bool], None] | None = None
        self.received_bytes = 0
        self.sent_bytes = 0
        self.status = 0
        #: `time.perf_counter()` at which the head was complete
        self.started_at = time.perf_counter()

    # ---- the request's body

    def collect(
        self, limit_bytes: int, done: Callable[[bytes], None], charge: Callable[[int], None] | None = None
    ) -> None:
        """Call `done` with the whole body; answer 413, before reading it, if it is larger than the limit.

        `charge` hears the size of each piece first, and may raise `HttpError` to refuse it.
        """
        length = self.head.content_length
        if length is not None and length > limit_bytes:
            self.fail(too_large(length, limit_bytes))
            return
        self.receive(_Collector(self, limit_bytes, done, charge))

    def receive(self, sink: BodySink) -> None:
        """Stream the body to `sink`, first what has already arrived."""
        if self.head.expects_continue and not self.complete and not self.received_bytes:
            self.head.expects_continue = False
            self._connection.write(_CONTINUE)
        self._sink = sink
        buffered, self._buffer, self._buffered = self._buffer, [], 0
        for data in buffered:
            if self.ended:
                break
            sink.on_data(data)
        if self.complete and not self.ended:
            sink.on_end()
        self._connection.resume_body()

    def pause_receiving(self) -> None:
        """The sink is full. At most what one read brought still follows."""
        if not self.complete:
            self._connection.pause_sink()

    def hold_input(self) -> None:
        """Read nothing more until this is answered: what follows an Upgrade request may not be HTTP."""
        self._connection.pause_sink()

    def resume_receiving(self) -> None:
        self._connection.resume_sink()

    def feed(self, data: bytes) -> None:
        """For the connection: a piece of the body has arrived."""
        self.received_bytes += len(data)
        if self.ended:
            return
        if self._sink is not None:
            self._sink.on_data(data)
            return
        self._buffer.append(data)
        self._buffered += len(data)
        if self._buffered > UNCLAIMED_BYTES:
            self._connection.pause_body()

    def feed_end(self) -> None:
        """For the connection: the body has ended."""
        self.complete = True
        if self._sink is not None and not self.ended:
            self._sink.on_end()

    # ---- the answer

    def respond(self, status: int, body: bytes, content_type: bytes = _JSON, headers: bytes = b"") -> None:
        """Answer whole. `headers` are encoded lines, each ending in CRLF."""
        if self.started:
            return
        self._begin(status)
        head = b"%b%bcontent-type: %b\r\ncontent-length: %d\r\n%b%b\r\n" % (
            status_line(status),
            date_line(),
            content_type,
            len(body),
            headers,
            self._connection_line(),
        )
        if self.head.method == "HEAD":
            body = b""
        self.sent_bytes += len(body)
        self._connection.write(head + body)
        self._end()

    def start(self, status: int, headers: bytes, length: int | None) -> None:
        """Begin a streamed answer. `headers` hold no framing; `length` None: chunked, or until close for HTTP/1.0."""
        if self.started:
            return
        self._begin(status)
        framing = b""
        if status not in (204, 304):
            if length is not None:
                framing = b"content-length: %d\r\n" % length
            elif self.head.version == "1.1":
                framing = b"transfer-encoding: chunked\r\n"
                self._chunked_answer = self.head.method != "HEAD"
            elif self.head.method != "HEAD":
                self.close = True
        date = b"" if b"\r\ndate:" in headers or headers.startswith(b"date:") else date_line()
        self._connection.write(
            b"%b%b%b%b%b\r\n" % (status_line(status), date, headers, framing, self._connection_line())
        )

    def write(self, data: bytes) -> None:
        if not data or self.ended or self.head.method == "HEAD":
            return
        self.sent_bytes += len(data)
        if self._chunked_answer:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._connection.write(data)

    def end(self) -> None:
        if self.ended:
            return
        if self._chunked_answer:
            self._connection.write(b"0\r\n\r\n")
        self._end()

    def fail(self, error: HttpError) -> None:
        """Answer with the error's JSON; cut an answer that has begun, so that the client sees that it is not whole."""
        if self.started:
            self.abort()
            return
        if error.close:
            self.close = True
        self.respond(error.status, error_body(error, oip=self.oip_errors), headers=error.headers)

    def abort(self) -> None:
        """Cut the connection."""
        self.ended = True
        self._connection.abort()

    def upgrade(self, head: bytes) -> Connection:
        """Write `head` (a whole 101 answer) and hand the connection over: from here on it carries raw bytes."""
        self._begin(101)
        self._connection.write(head)
        self.ended = True
        return self._connection

    @property
    def writable(self) -> bool:
        return self._connection.writable

    @property
    def connection(self) -> Connection:
        return self._connection

    def _begin(self, status: int) -> None:
        self.started = True
        self.status = status
        if not self.complete:
            remaining = None if self.head.content_length is None else self.head.content_length - self.received_bytes
            if remaining is None or remaining > DISCARD_BYTES or self.head.expects_continue:
                self.close = True
        if self._connection.last_answer:
            self.close = True

    def _connection_line(self) -> bytes:
        if self.close:
            return b"connection: close\r\n"
        return b"" if self.head.version == "1.1" else b"connection: keep-alive\r\n"

    def _end(self) -> None:
        self.ended = True
        # these point back at the exchange: let go, so that it is freed at once
        self._sink = self.on_gone = self.on_writable = self.on_drain = None
        self._buffer = []
        self._connection.exchange_ended(self)


class _Collector:
    """A sink that joins the body."""

    __slots__ = ("_charge", "_done", "_exchange", "_limit", "_pieces", "_size")

    def __init__(
        self,
        exchange: Exchange,
        limit_bytes: int,
        done: Callable[[bytes], None],
        charge: Callable[[int], None] | None,
    ) -> None:
        self._charge = charge
        self._exchange = exchange
        self._limit = limit_bytes
        self._done = done
        self._pieces: list[bytes] = []
        self._size = 0

    def on_data(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            self._pieces.clear()
            self._exchange.fail(too_large(self._size, self._limit))
            return
        if self._charge is not None:
            self._charge(len(data))
        self._pieces.append(data)

    def on_end(self) -> None:
        pieces = self._pieces
        self._done(pieces[0] if len(pieces) == 1 else b"".join(pieces))


def too_large(size_bytes: int, limit_bytes: int) -> HttpError:
    return HttpError(
        413,
        "too_large",
        f"the body has {size_bytes} bytes or more, the limit is {limit_bytes}; send it in smaller requests",
        details={"limit_bytes": limit_bytes},
    )


class Application(Protocol):
    def on_request(self, exchange: Exchange) -> None:
        """A head is complete. May raise `HttpError`; must not block."""
        ...
