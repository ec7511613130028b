"""One request for the platform, passed through as it comes: bodies of any size, event streams, WebSockets.

Nothing is buffered beyond one read in each direction; a slow side slows the other. Credentials are passed on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from orrery.gateway.forwarding import Headers, answer_headers, platform_head, request_id, switch_head
from orrery.gateway.upstream import Pool, RawPipe
from orrery.serving.http import Exchange, HttpError

if TYPE_CHECKING:
    from orrery.gateway.contract import GatewayParts
    from orrery.gateway.upstream import UpstreamConnection
    from orrery.serving.http import Connection

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class PlatformCall:
    __slots__ = ("_body", "_connection", "_exchange", "_gateway", "_id", "_streams", "_tries", "_websocket", "done")
    who = "the platform"
    lost_code = "platform_lost"

    def __init__(self, gateway: GatewayParts, exchange: Exchange) -> None:
        self._gateway = gateway
        self._exchange = exchange
        self._id = request_id(exchange.head)
        self._connection: UpstreamConnection | None = None
        self._websocket = exchange.head.upgrade == b"websocket" and exchange.head.method == "GET"
        self._body = bool(exchange.head.chunked or exchange.head.content_length)
        self._streams = False
        self._tries = 0
        self.done = False

    def start(self) -> None:
        exchange = self._exchange
        exchange.on_gone = self._gone
        exchange.on_drain = self._drain
        if self._websocket:
            exchange.hold_input()
        self._connect()

    @property
    def _replayable(self) -> bool:
        return not self._body and not self._websocket and self._exchange.head.method in _SAFE

    def _pool(self) -> Pool | None:
        return self._gateway.table.platform

    def _unreachable(self, reason: str) -> None:
        self._fail(platform_down(reason))

    def _request_head(self) -> bytes:
        forwarded = self._gateway.forwarded(self._exchange)
        return platform_head(self._exchange.head, self._id, forwarded, websocket=self._websocket)

    def _answer_lines(self, headers: Headers) -> tuple[bytes, int | None]:
        return answer_headers(headers)

    def _join(self, client: Connection, connection: UpstreamConnection, rest: bytes) -> None:
        RawPipe(client, connection, rest)

    def _log(self, status: int, seconds: float) -> None:
        if self._gateway.access_log is not None:
            self._gateway.access_log.write(self._exchange, status, seconds, self._id)

    def _connect(self) -> None:
        pool = self._pool()
        if pool is None:
            self._unreachable("no routes document names its address yet")
            return
        # only what can be sent twice goes over a kept connection, which the platform may just have closed
        connection = pool.idle() if self._replayable and not self._tries else None
        self._tries += 1
        if connection is not None:
            self._send(connection)
        else:
            pool.dial(self._dialled)

    def _dialled(self, connection: UpstreamConnection | None, reason: str) -> None:
        if self.done:
            if connection is not None:
                connection.close()
        elif connection is None:
            self._unreachable(reason)
        else:
            self._send(connection)

    def _send(self, connection: UpstreamConnection) -> None:
        exchange = self._exchange
        self._connection = connection
        exchange.on_writable = self._client_writable
        is_head_request = exchange.head.method == "HEAD"
        connection.send(self._request_head(), self, is_head_request=is_head_request, whole=not self._body)
        if self._body:
            exchange.receive(self)

    # ---- the request's body (http.BodySink)

    def on_data(self, data: bytes) -> None:
        if self._connection is not None:
            if self._exchange.head.chunked:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            self._connection.write(data)

    def on_end(self) -> None:
        if self._connection is not None:
            self._connection.whole = True
            if self._exchange.head.chunked:
                self._connection.write(b"0\r\n\r\n")

    # ---- the answer (upstream.Consumer)

    def on_head(self, status: int, headers: Headers) -> None:
        lines, length = self._answer_lines(headers)
        self._streams = (b"content-type", b"text/event-stream") in [(n, v.split(b";")[0]) for n, v in headers]
        self._exchange.start(status, b"%bx-request-id: %b\r\n" % (lines, self._id), length)

    def on_answer(self, data: bytes) -> None:
        self._exchange.write(data)

    def on_answer_end(self) -> None:
        self._connection = None
        self._exchange.end()
        self._finish(self._exchange.status)

    def on_lost(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        if self._exchange.started:
            self._exchange.abort()
            self._finish(502)
        elif connection is not None and connection.reused and not connection.heard and self._replayable:
            self._connect()
        else:
            message = f"{self.who} went away before it answered: {reason}; see whether it took effect, then try again"
            self._fail(HttpError(502, self.lost_code, message, headers=b"retry-after: 2\r\n"))

    def on_drain(self, writable: bool) -> None:
        (self._exchange.resume_receiving if writable else self._exchange.pause_receiving)()

    def on_switch(self, status: int, headers: Headers, rest: bytes) -> None:
        connection, self._connection = self._connection, None
        if connection is None or not self._websocket:
            if connection is not None:
                connection.abort()
            self.on_lost("it switched protocols without being asked")
            return
        client = self._exchange.upgrade(switch_head(headers))
        self._join(client, connection, rest)
        self._finish(101)

    def _client_writable(self, writable: bool) -> None:
        if self._connection is not None:
            (self._connection.resume if writable else self._connection.pause)()

    # ---- the end

    def _drain(self) -> None:
        """An event stream never ends by itself; its reader comes back to whoever listens next."""
        if self._streams and not self.done:
            self._exchange.end()
            self._finish(self._exchange.status)

    def _fail(self, error: HttpError) -> None:
        self._exchange.fail(error)
        self._finish(error.status)

    def _gone(self) -> None:
        self._finish(self._exchange.status if self._exchange.started else 499)

    def _finish(self, status: int) -> None:
        if self.done:
            return
        self.done = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
        self._log(status, time.perf_counter() - self._exchange.started_at)


def platform_down(reason: str) -> HttpError:
    message = f"the platform is not running just now ({reason}); try again in a moment. Endpoints go on serving"
    return HttpError(503, "platform_down", message, headers=b"retry-after: 2\r\n")
