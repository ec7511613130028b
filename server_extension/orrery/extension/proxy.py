"""The streaming reverse proxy from the Jupyter server to the platform.

Neither direction is held in memory: a chunk is read only when the other side has taken the one before. Requests are
authenticated and checked for forgery by Jupyter before a byte of the body is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable
from typing import Any, ClassVar, Final, Protocol, cast
from urllib.parse import urlsplit

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import ensure_async
from tornado import httputil, web
from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import url_concat
from tornado.iostream import StreamClosedError
from tornado.tcpclient import TCPClient

from orrery.errors import OrreryError, Unavailable
from orrery.extension.forwarding import (
    Front,
    Upstream,
    make_request_headers,
    make_response_headers,
    make_target,
    make_tls,
)

#: The platform limits bodies itself; Jupyter's own limit (512 MiB) is for those that it holds in memory.
MAX_BODY_BYTES: Final = 1 << 50
CHUNK_BYTES: Final = 256 * 1024
CONNECT_SECONDS: Final = 5.0
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CHUNKED_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
#: How long a body that nobody wants any more is still read, so that the sender gets to see the answer.
DRAIN_SECONDS: Final = 5.0


class Platform(Protocol):
    """How the proxy learns where the platform is."""

    async def upstream(self) -> Upstream:
        """Raises: Unavailable when there is none yet; its message says why."""
        ...

    def report_failure(self) -> None:
        """It did not answer where it was said to be."""
        ...

    def seen_from(self, page: str) -> None:
        """A browser's page at this address, of somebody who is logged in, asked for something."""
        ...

    def status(self) -> dict[str, object]: ...


def is_closed(connection: HTTP1Connection) -> bool:
    return connection.stream is None or connection.stream.closed()


class Relay(httputil.HTTPMessageDelegate):
    """Writes the platform's answer to the browser as it comes, no faster than the browser takes it."""

    def __init__(self, handler: PlatformHandler, upstream: Upstream) -> None:
        self.handler = handler
        self.upstream = upstream
        self.started = False
        self.complete = False

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        if not isinstance(start_line, httputil.ResponseStartLine) or start_line.code < 200:
            return None
        self.started = True
        self.handler.set_status(start_line.code, start_line.reason or "Unknown")
        self.handler.clear_header("Content-Type")
        if self.handler.is_file:
            # Somebody's file must not run as a page of this Jupyter server.
            self.handler.set_header("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'")
        fresh: set[str] = set()
        for name, value in make_response_headers(headers.get_all(), self.upstream, self.handler.front):
            if name.lower() in fresh:
                self.handler.add_header(name, value)
            else:
                fresh.add(name.lower())
                self.handler.set_header(name, value)
        return self.handler.flush()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self.handler.write(chunk)  # pyright: ignore[reportUnknownMemberType]
        return self.handler.flush()

    def finish(self) -> None:
        self.complete = True

    def on_connection_close(self) -> None:
        self.complete = False


@web.stream_request_body
class PlatformHandler(JupyterHandler):
    """`{base_url}orrery/<path>` is the platform's `/<path>`."""

    auth_resource: ClassVar[str] = "orrery"
    #: whether the platform hears who is logged in here
    sends_token: ClassVar[bool] = True
    SUPPORTED_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

    def initialize(self, platform: Platform) -> None:
        self.platform = platform
        self.client: HTTP1Connection | None = None
        self.answer: asyncio.Task[None] | None = None
        self.body_ended = asyncio.Event()

    @property
    def is_file(self) -> bool:
        """Whether the answer is what a person or a job wrote, as against the platform's own pages."""
        return self.request.path.startswith(f"{self.front.prefix}/api/")

    @property
    def front(self) -> Front:
        return Front(
            prefix=f"{self.base_url.rstrip('/')}/orrery",
            host=self.request.host,
            scheme=self.request.protocol,
            client_address=self.request.remote_ip or "",
        )

    async def prepare(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Authenticates, then connects: the body follows in `data_received` once this has returned."""
        cast(HTTP1Connection, self.request.connection).set_max_body_size(MAX_BODY_BYTES)
        await ensure_async(await super().prepare())
        if self._finished:
            return
        if not self.current_user:
            if self.request.method == "GET" and "text/html" in self.request.headers.get("Accept", ""):
                self.redirect(url_concat(self.get_login_url(), {"next": self.request.uri or "/"}))
                return
            raise web.HTTPError(403, "log in to this Jupyter server, or send its token")
        page = self.request.headers.get("Referer", "")
        # what a browser alone sends: a program may reach this server by another address
        if "Sec-Fetch-Site" in self.request.headers and urlsplit(page).netloc == self.request.host:
            self.platform.seen_from(page)
        action = "read" if self.request.method in READS else "write"
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, self.auth_resource)):
            raise web.HTTPError(403, f"{self.current_user.username} may not {action} Orrery on this Jupyter server")
        if "Transfer-Encoding" in self.request.headers and self.request.method not in CHUNKED_METHODS:
            raise web.HTTPError(411, f"a {self.request.method} with a body needs a Content-Length")
        await self.connect_upstream()

    async def connect_upstream(self) -> None:
        upstream = await self.platform.upstream()
        try:
            await self.connect(upstream)
        except (OSError, StreamClosedError, TimeoutError) as error:
            self.platform.report_failure()
            raise Unavailable(f"the platform at {upstream.url} does not answer ({error}); try again") from error

    async def connect(self, upstream: Upstream) -> None:
        """Sends the request's head, and begins to wait for the answer, which may come before the body has ended."""
        stream = await TCPClient().connect(
            upstream.host,
            upstream.port,
            ssl_options=make_tls(upstream),
            timeout=CONNECT_SECONDS,
        )
        stream.set_nodelay(True)
        parameters = HTTP1ConnectionParameters(no_keep_alive=True, chunk_size=CHUNK_BYTES, max_body_size=MAX_BODY_BYTES)
        client = self.client = HTTP1Connection(stream, is_client=True, params=parameters)
        request = self.request
        method = request.method or "GET"
        path = (request.uri or "/").partition("?")[0].removeprefix(self.front.prefix)
        headers = httputil.HTTPHeaders()
        received = request.headers.get_all()
        for name, value in make_request_headers(received, upstream, self.front, with_token=self.sends_token):
            headers.add(name, value)
        if "Transfer-Encoding" not in request.headers and "Content-Length" not in headers and method not in READS:
            headers["Content-Length"] = "0"
        target = make_target(upstream, path, request.query)
        await client.write_headers(httputil.RequestStartLine(method, target, "HTTP/1.1"), headers)
        self.answer = asyncio.create_task(self.relay(client, Relay(self, upstream)), name=f"relay {method} {path}")

    async def relay(self, client: HTTP1Connection, relay: Relay) -> None:
        try:
            await client.read_response(relay)
        except StreamClosedError:
            self.log.debug("the browser went away during %s", self.request.uri)
        finally:
            client.close()
        if self._finished:
            return
        if relay.complete:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.body_ended.wait(), DRAIN_SECONDS)
            with contextlib.suppress(StreamClosedError):
                await self.finish()  # pyright: ignore[reportUnknownMemberType]
        elif not relay.started:
            self.send_failure(Unavailable("the platform closed the connection before it answered; try again"))
        else:
            # Cut off within the body: the browser must see that too, not a shorter answer.
            cast(HTTP1Connection, self.request.connection).close()

    async def data_received(self, chunk: bytes) -> None:
        if self.client is None or is_closed(self.client):
            return
        try:
            await self.client.write(chunk)
        except StreamClosedError:
            self.log.debug("the platform stopped reading the body of %s", self.request.uri)

    async def forward(self, _path: str) -> None:
        self.body_ended.set()
        if self.client is None or self.answer is None:
            return
        try:
            if not is_closed(self.client):
                self.client.finish()
        except StreamClosedError:
            self.log.debug("the platform closed before the body of %s had ended", self.request.uri)
        await self.answer

    get = head = post = put = patch = delete = options = forward

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.body_ended.set()
        if self.client is not None:
            self.client.close()

    def on_finish(self) -> None:
        super().on_finish()
        if self.client is not None:
            self.client.close()

    def compute_etag(self) -> None:
        """The platform's own ETag is passed on; none is made up here."""
        return None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, OrreryError):
            self.send_failure(error)
            return
        message = error.log_message if isinstance(error, web.HTTPError) and error.log_message else self._reason
        code = {401: "unauthenticated", 403: "forbidden", 404: "not_found"}.get(status_code, "proxy_error")
        self.send_json(status_code, code, message)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, Unavailable):
            self.log.info("%s %s: %s", self.request.method, self.request.uri, value)
        else:
            super().log_exception(typ, value, tb)

    def send_failure(self, error: OrreryError) -> None:
        status = 503 if isinstance(error, Unavailable) else 500
        if status == 503:
            self.set_header("Retry-After", "1")
        self.send_json(status, error.code, error.message)

    def send_json(self, status: int, code: str, message: str) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        body = json.dumps({"error": {"code": code, "message": message, "details": {}}})
        self.finish(body)  # pyright: ignore[reportUnknownMemberType]
