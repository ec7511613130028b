"""One request to an app: `/apps/{id}/~{ticket}/...`, let in by the ticket in its address.

The platform makes the ticket when it has asked who visits (`/apps/{id}/`, its own page). A cookie would not do: an
app's pages come from the platform's own origin and run what users wrote, so they are sandboxed into an origin that is
nobody's, and a browser sends no cookies from there. Of the caller's credentials nothing reaches the app, and nothing
that it answers speaks for the whole origin.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from orrery.gateway.apps import AppState, CountedPipe
from orrery.gateway.auth import TokenExpired, may_call
from orrery.gateway.forwarding import Headers, answer_headers, app_head
from orrery.gateway.platform_call import PlatformCall
from orrery.serving.http import Exchange, HttpError

if TYPE_CHECKING:
    from orrery.gateway.app import Gateway
    from orrery.gateway.upstream import Pool, UpstreamConnection
    from orrery.serving.http import Connection

#: the least under which notebooks' widgets, downloads, links and dialogs work; never `allow-same-origin`
SANDBOX: Final = b"sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads"
#: a page without an origin may read what its own ticket opens; no cookie counts here, so nobody else's page gains
_OPEN: Final = b"access-control-allow-origin: *\r\n"
_OURS: Final = b"%bcontent-security-policy: %b\r\nreferrer-policy: no-referrer\r\n" % (_OPEN, SANDBOX)
_PREFLIGHT: Final = (
    b"%baccess-control-allow-methods: GET, HEAD, POST, PUT, PATCH, DELETE\r\n"
    b"access-control-allow-headers: *\r\naccess-control-max-age: 600\r\n" % _OPEN
)
#: an app answers for itself, not for the origin that it shares
_WITHHELD: Final = frozenset(
    {
        b"set-cookie",
        b"clear-site-data",
        b"strict-transport-security",
        b"www-authenticate",
        b"service-worker-allowed",
        b"alt-svc",
        b"nel",
        b"report-to",
        b"reporting-endpoints",
        b"referrer-policy",
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
    }
)
_AWAY: Final = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2; url=%b"><title>One moment</title>
<style>:root { color-scheme: light dark } body { font: 16px/1.5 system-ui, sans-serif; margin: 3em }</style></head>
<body><main role="status">It does not answer just now. This page asks again by itself.</main></body></html>
"""
_PREFIX: Final = re.compile(rb"(/[A-Za-z0-9._~%@+-]+)*")
_ID: Final = re.compile(rb"[a-z0-9_]{1,64}")


def split_app_path(path: bytes, prefix: bytes) -> tuple[str, bytes, bytes] | None:
    """(app id, ticket, what follows it) of `{prefix}{id}/~{ticket}...`; None for the platform's own page."""
    name, _, rest = path[len(prefix) :].partition(b"/")
    if not rest.startswith(b"~") or _ID.fullmatch(name) is None:
        return None
    ticket, _, _ = rest[1:].partition(b"/")
    return name.decode(), ticket, rest[1 + len(ticket) :]


class AppCall(PlatformCall):
    __slots__ = ("_app_id", "_base", "_entered", "_rest", "_state", "_ticket")
    who = "the app"
    lost_code = "app_lost"

    def __init__(self, gateway: Gateway, exchange: Exchange, app_id: str, ticket: bytes, rest: bytes) -> None:
        super().__init__(gateway, exchange)
        self._app_id = app_id
        self._ticket = ticket
        #: the path in the app, with its slash; empty where the address ends with the ticket
        self._rest = rest
        self._base = f"{gateway.settings.base_path}/apps/{app_id}".encode()
        self._state: AppState | None = None
        self._entered = False

    def start(self) -> None:
        head = self._exchange.head
        if head.method == "OPTIONS" and head.get(b"access-control-request-method") is not None:
            self._exchange.respond(204, b"", headers=_PREFLIGHT)
            self.done = True
            return
        try:
            visitor = self._gateway.authenticator.visitor(self._app_id, self._ticket)
        except TokenExpired:
            visitor = None
        state = self._gateway.apps.find(self._app_id)
        if visitor is None or state is None or not may_call(state.app, visitor):
            self._to_the_door()
            return
        if not self._rest:
            self._redirect(self.public_base + b"/" + self._query)
            return
        self._state = state
        self._entered = True
        state.enter()
        super().start()

    @property
    def _query(self) -> bytes:
        query = self._exchange.head.query
        return b"?" + query if query else b""

    @property
    def public_base(self) -> bytes:
        """The app's address as the browser sees it."""
        return b"%b/~%b" % (self._public_place, self._ticket)

    @property
    def _public_place(self) -> bytes:
        """Its door, as the browser sees it: also through a Jupyter server's proxy, which says where it is."""
        given = self._exchange.head.get(b"x-forwarded-prefix")
        outer = self._gateway.settings.base_path.encode()
        if given is not None and _PREFIX.fullmatch(given):
            outer = given
        return b"%b/apps/%b" % (outer, self._app_id.encode())

    @property
    def _is_navigation(self) -> bool:
        head = self._exchange.head
        return head.method == "GET" and not self._websocket and b"text/html" in (head.get(b"accept") or b"")

    def _to_the_door(self) -> None:
        """A person is sent to the page that asks who they are and wakes the app; a script is told."""
        if self._is_navigation:
            self._redirect(self._base + (self._rest or b"/") + self._query)
            return
        message = "this app is asleep, or you were let in too long ago; open its page again"
        self._fail(HttpError(503, "app_asleep", message, headers=_OPEN))

    def _redirect(self, target: bytes) -> None:
        lines = b"location: %b\r\ncache-control: no-store\r\n%b" % (target, _OPEN)
        self._exchange.respond(302, b"", headers=lines)
        self._finish(302)

    # ---- what is different from a request to the platform

    def _pool(self) -> Pool | None:
        return None if self._state is None else self._state.pool

    def _unreachable(self, reason: str) -> None:
        if self._is_navigation:
            # its page may say more in a moment, when the platform has seen it too
            page = _AWAY % (self._public_place + b"/")
            self._exchange.respond(503, page, b"text/html; charset=utf-8", b"retry-after: 2\r\n" + _OURS)
            self._finish(503)
            return
        message = f"the app does not answer just now ({reason}); load its page again in a moment"
        self._fail(HttpError(503, "app_down", message, headers=b"retry-after: 2\r\n" + _OPEN))

    def _request_head(self) -> bytes:
        return app_head(
            self._exchange.head,
            self._rest + self._query,
            self._id,
            self._gateway.forwarded(self._exchange),
            self.public_base,
            websocket=self._websocket,
        )

    def _answer_lines(self, headers: Headers) -> tuple[bytes, int | None]:
        kept = [(name, self._located(value) if name == b"location" else value) for name, value in headers]
        lines, length = answer_headers([header for header in kept if header[0] not in _WITHHELD])
        return lines + _OURS, length

    def _located(self, location: bytes) -> bytes:
        """A redirect within the app, as the browser has to follow it."""
        is_inside = location.startswith(b"/") and not location.startswith((b"//", self.public_base + b"/"))
        return self.public_base + location if is_inside else location

    def _join(self, client: Connection, connection: UpstreamConnection, rest: bytes) -> None:
        state = self._state
        assert state is not None
        self._entered = False
        CountedPipe(client, connection, rest, state.leave)

    def _finish(self, status: int) -> None:
        if self._entered and self._state is not None:
            self._entered = False
            self._state.leave()
        super()._finish(status)

    def _log(self, status: int, seconds: float) -> None:
        log = self._gateway.access_log
        if log is not None:
            shown = self._base + b"/~" + self._rest
            log.write(self._exchange, status, seconds, self._id, path=shown.decode("latin-1"), app=self._app_id)
