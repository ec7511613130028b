"""Apps through the Jupyter server: `{base_url}orrery/apps/{id}/~{ticket}/...`, requests and WebSockets.

The page of an app is sandboxed, so its requests come without Jupyter's cookies. They need none: what is in the
address was given to somebody who had logged in here, and the platform's gateway checks it. So nothing is asked here,
and nothing of this server's own credentials is passed on: of the cookies the visitor's of that app alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, cast

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import httputil, web
from tornado.http1connection import HTTP1Connection
from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient

from orrery.errors import Unavailable
from orrery.extension.forwarding import (
    HOP_BY_HOP,
    Upstream,
    make_request_headers,
    make_response_headers,
    make_target,
    make_tls,
)
from orrery.extension.proxy import CONNECT_SECONDS, MAX_BODY_BYTES, PlatformHandler

APP_PATH: Final = r"/orrery(/apps/[^/]+/~.*)"
MAX_HEAD_BYTES: Final = 64 << 10
PIECE_BYTES: Final = 64 << 10


@web.stream_request_body
class AppHandler(PlatformHandler):
    """Lets the request through to the gateway, which decides."""

    sends_token = False

    def check_xsrf_cookie(self) -> None:
        """No cookie counts here, so there is nothing to forge."""

    async def prepare(self) -> None:
        cast(HTTP1Connection, self.request.connection).set_max_body_size(MAX_BODY_BYTES)
        self.current_user = self._jupyter_current_user = None
        if not self.check_host():
            raise web.HTTPError(403, f"this Jupyter server is not called {self.request.host!r}")
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            return
        await self.connect_upstream()

    @allow_unauthenticated
    async def get(self, _path: str) -> None:
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            await self.join()
        else:
            await self.forward(_path)

    @allow_unauthenticated
    async def forward_any(self, _path: str) -> None:
        await self.forward(_path)

    head = post = put = patch = delete = options = forward_any  # pyright: ignore[reportAssignmentType]

    # ---- WebSockets

    async def join(self) -> None:
        """Pass the handshake on as it is, then every byte in both directions until one side closes."""
        upstream = await self.platform.upstream()
        try:
            outer = await TCPClient().connect(
                upstream.host, upstream.port, ssl_options=make_tls(upstream), timeout=CONNECT_SECONDS
            )
            outer.set_nodelay(True)
            await outer.write(self.handshake(upstream))
            head = await outer.read_until(b"\r\n\r\n", max_bytes=MAX_HEAD_BYTES)
        except (OSError, StreamClosedError, TimeoutError) as error:
            self.platform.report_failure()
            raise Unavailable(f"the platform at {upstream.url} does not answer ({error}); try again") from error
        start, headers = read_head(head)
        if start.code != 101:
            outer.close()
            raise web.HTTPError(start.code, f"the app did not take the WebSocket ({start.reason})")
        inner = self.detach()
        inner.set_nodelay(True)
        try:
            await inner.write(self.switch(headers, upstream))
            await pipe_both(inner, outer)
        except StreamClosedError:
            self.log.debug("%s ended", self.request.path)
        finally:
            inner.close()
            outer.close()

    def handshake(self, upstream: Upstream) -> bytes:
        received = list(self.request.headers.get_all())
        path = (self.request.uri or "/").partition("?")[0].removeprefix(self.front.prefix)
        target = make_target(upstream, path, self.request.query)
        headers = make_request_headers(received, upstream, self.front, with_token=False)
        headers += [("Connection", "Upgrade"), ("Upgrade", "websocket")]
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")

    def switch(self, headers: httputil.HTTPHeaders, upstream: Upstream) -> bytes:
        kept = [
            (name, value)
            for name, value in make_response_headers(headers.get_all(), upstream, self.front)
            if name.lower() not in HOP_BY_HOP
        ]
        lines = "".join(f"{name}: {value}\r\n" for name, value in kept)
        return (f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{lines}\r\n").encode(
            "latin-1"
        )


def read_head(head: bytes) -> tuple[httputil.ResponseStartLine, httputil.HTTPHeaders]:
    first, _, rest = head.decode("latin-1").partition("\r\n")
    return httputil.parse_response_start_line(first), httputil.HTTPHeaders.parse(rest)


async def pipe_both(left: IOStream, right: IOStream) -> None:
    """Until either side closes; a slow reader slows the other side's writer."""
    tasks = {asyncio.create_task(pipe(left, right)), asyncio.create_task(pipe(right, left))}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def pipe(source: IOStream, target: IOStream) -> None:
    with contextlib.suppress(StreamClosedError):
        while True:
            await target.write(await source.read_bytes(PIECE_BYTES, partial=True))
