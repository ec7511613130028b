"""Asking the platform whose token it is: `GET {base}/api/v1/auth/whoami` with the caller's own header."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from orrery.gateway.forwarding import Headers

if TYPE_CHECKING:
    from orrery.gateway.balancing import RoutingTable
    from orrery.gateway.upstream import UpstreamConnection

ANSWER_SECONDS: Final = 5.0
ANSWER_BYTES: Final = 65536
#: Questions at once; more are answered as if the platform could not be reached.
AT_ONCE: Final = 32

Answered = Callable[[tuple[int, bytes] | None], None]


class Whoami:
    def __init__(self, table: RoutingTable, base_path: str) -> None:
        self._table = table
        self._path = f"{base_path}/api/v1/auth/whoami".encode()
        self._asking = 0

    def ask(self, token: bytes, done: Answered) -> None:
        pool = self._table.platform
        if pool is None or self._asking >= AT_ONCE:
            done(None)
            return
        self._asking += 1

        def answered(answer: tuple[int, bytes] | None) -> None:
            self._asking -= 1
            done(answer)

        head = b"GET %b HTTP/1.1\r\nhost: platform\r\nauthorization: Bearer %b\r\naccept: application/json\r\n\r\n"
        question = _Question(head % (self._path, token), answered)
        # a new connection each time: the answer is remembered for a minute, and a kept one may be stale
        pool.dial(question.dialled)


class _Question:
    """One request whose answer is read whole (an upstream.Consumer)."""

    def __init__(self, request: bytes, done: Answered) -> None:
        self._request = request
        self._done: Answered | None = done
        self._connection: UpstreamConnection | None = None
        self._status = 0
        self._body = b""
        self._timer = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self.on_lost, "too slow")

    def dialled(self, connection: UpstreamConnection | None, reason: str) -> None:
        if connection is None:
            self.on_lost(reason)
        elif self._done is None:
            connection.close()
        else:
            self._connection = connection
            connection.send(self._request, self)

    def on_head(self, status: int, headers: Headers) -> None:
        self._status = status

    def on_answer(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > ANSWER_BYTES:
            self.on_lost("too long")

    def on_answer_end(self) -> None:
        self._connection = None
        self._finish((self._status, self._body))

    def on_lost(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
        self._finish(None)

    def on_drain(self, writable: bool) -> None: ...

    def on_switch(self, status: int, headers: Headers, rest: bytes) -> None:
        self.on_lost("switched protocols")

    def _finish(self, answer: tuple[int, bytes] | None) -> None:
        self._timer.cancel()
        done, self._done = self._done, None
        if done is not None:
            done(answer)
