"""One request to an app, of one who was let in (`orrery.gateway.visits` says by what).

    /apps/{id}/~{ticket}/...   exchanged for a cookie, and away from the address
    /apps/{id}/...             with that cookie: the page around the app's own (`orrery.gateway.frame_page`)
    /apps/{id}/~{pass}/...     the app's own pages, in the frame, and all that they ask for
    /apps/{id}/~/keep          the page around says that it is open

A cookie would not do for what the app's pages ask for: they come from the platform's own origin and run what users
wrote, so they are sandboxed into an origin that is nobody's, and a browser sends no cookies from there. Of the
caller's credentials nothing reaches the app, and nothing that it answers speaks for the whole origin.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from orrery.gateway.apps import AppState, CountedPipe
from orrery.gateway.auth import TOKEN_BYTES, TokenExpired, may_call
from orrery.gateway.forwarding import Headers, answer_headers, app_head
from orrery.gateway.frame_page import ALLOWED, POLICY, render_frame, render_out
from orrery.gateway.platform_call import PlatformCall
from orrery.gateway.visits import COOKIE, VISIT_SECONDS, Use, Visit, cookie_value, make_visit, read_visit
from orrery.serving.http import Exchange, HttpError

if TYPE_CHECKING:
    from orrery.gateway.contract import GatewayParts
    from orrery.gateway.upstream import Pool, UpstreamConnection
    from orrery.serving.http import Connection

SANDBOX: Final = f"sandbox {ALLOWED}".encode()
_FRAME_HEADERS: Final = (
    f"content-security-policy: {POLICY}\r\nreferrer-policy: no-referrer\r\ncache-control: no-store\r\n".encode()
)
_HTML: Final = b"text/html; charset=utf-8"
#: a page without an origin may read what its own pass opens; no cookie counts there, so nobody else's page gains
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
_AWAY: Final = "It does not answer just now. This page asks again by itself."
_ASLEEP: Final = "It is asleep, or you were let in too long ago. This page opens it again by itself."
_PREFIX: Final = re.compile(rb"(/[A-Za-z0-9._~%@+-]+)*")
_ID: Final = re.compile(rb"[a-z0-9_]{1,64}")


def split_app_path(path: bytes, prefix: bytes) -> tuple[str, bytes | None, bytes] | None:
    """(app id, ticket or pass, what follows it) of `{prefix}{id}/~{ticket}...`; the second is None without a `~`.

    None for what is no app's address, and for the door without its slash: both are the platform's.
    """
    name, slash, rest = path[len(prefix) :].partition(b"/")
    if not slash or _ID.fullmatch(name) is None:
        return None
    if not rest.startswith(b"~"):
        return name.decode(), None, slash + rest
    text, _, _ = rest[1:].partition(b"/")
    return name.decode(), text, rest[1 + len(text) :]


class AppCall(PlatformCall):
    __slots__ = ("_app_id", "_base", "_entered", "_rest", "_state", "_text")
    who = "the app"
    lost_code = "app_lost"

    def __init__(self, gateway: GatewayParts, exchange: Exchange, app_id: str, text: bytes, rest: bytes) -> None:
        super().__init__(gateway, exchange)
        self._app_id = app_id
        #: a ticket, a pass, or nothing of the kind
        self._text = text
        #: the path in the app, with its slash; empty where the address ends with the text
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
        if not self._text and self._rest == b"/keep" and head.method == "POST":
            self._keep()
            return
        visit = find_visit(self._gateway, self._app_id, self._text)
        if visit is None:
            self._to_the_door()
        elif visit.use is Use.TICKET and head.method == "GET" and self._gateway.visits.take(visit):
            self._exchange_ticket(visit)
        elif visit.use is Use.PASS and self._gateway.visits.is_kept(self._text):
            self._enter()
        else:
            self._to_the_door()

    def show_frame(self) -> bool:
        """Answer with the page around the app's own, where the visitor has the cookie; else the platform is asked."""
        if not self._is_navigation:
            return False
        found = cookie_pass(self._gateway, self._exchange, self._app_id)
        if found is None:
            return False
        visit, app_pass = found
        self._gateway.visits.keep(app_pass)
        shown = (self._rest + self._query).decode("latin-1")
        page = render_frame(visit.title, self._public_place.decode("latin-1"), app_pass.decode(), shown)
        self._exchange.respond(200, page, _HTML, _FRAME_HEADERS)
        self._finish(200)
        return True

    def _enter(self) -> None:
        if not self._rest:
            self._redirect(self.public_base + b"/" + self._query)
            return
        state = self._gateway.apps.find(self._app_id)
        assert state is not None
        self._state = state
        self._entered = True
        state.enter()
        super().start()

    def _exchange_ticket(self, ticket: Visit) -> None:
        key = self._gateway.authenticator.key
        assert key is not None
        expires = time.time() + VISIT_SECONDS
        cookie = make_visit(key, self._app_id, replace(ticket, use=Use.COOKIE, expires_at=expires))
        is_secure = b"x-forwarded-proto: https\r\n" in self._gateway.forwarded(self._exchange)
        place = public_place(self._gateway, self._exchange, self._app_id)
        line = b"set-cookie: %b=%b; Path=%b/; HttpOnly; SameSite=Lax%b\r\n" % (
            COOKIE.encode(),
            cookie,
            place,
            b"; Secure" if is_secure else b"",
        )
        self._redirect(place + (self._rest or b"/") + self._query, b"referrer-policy: no-referrer\r\n" + line)

    def _keep(self) -> None:
        """The page around the frame is open: what is asked for from there counts on."""
        found = cookie_pass(self._gateway, self._exchange, self._app_id)
        if found is None:
            self._fail(
                HttpError(403, "forbidden", "this app is asleep, or you were let in too long ago; load its page")
            )
            return
        self._gateway.visits.keep(found[1])
        self._exchange.respond(204, b"", headers=b"cache-control: no-store\r\n")
        self._finish(204)

    @property
    def _query(self) -> bytes:
        query = self._exchange.head.query
        return b"?" + query if query else b""

    @property
    def public_base(self) -> bytes:
        """The app's address as the browser sees it."""
        return b"%b/~%b" % (self._public_place, self._text)

    @property
    def _public_place(self) -> bytes:
        return public_place(self._gateway, self._exchange, self._app_id)

    @property
    def _is_navigation(self) -> bool:
        head = self._exchange.head
        return head.method == "GET" and not self._websocket and b"text/html" in (head.get(b"accept") or b"")

    def _to_the_door(self) -> None:
        """A person is sent to the page that asks who they are and wakes the app; a script is told."""
        if self._is_navigation:
            # not by a redirect: the address may be that of the frame, and the door opens the whole window
            door = self._public_place + (self._rest or b"/") + self._query
            page = render_out(door.decode("latin-1"), _ASLEEP, wait_milliseconds=0)
            self._exchange.respond(503, page, _HTML, b"retry-after: 2\r\n" + _OURS)
            self._finish(503)
            return
        message = "this app is asleep, or you were let in too long ago; open its page again"
        self._fail(HttpError(503, "app_asleep", message, headers=_OPEN))

    def _redirect(self, target: bytes, more: bytes = _OPEN) -> None:
        lines = b"location: %b\r\ncache-control: no-store\r\n%b" % (target, more)
        self._exchange.respond(302, b"", headers=lines)
        self._finish(302)

    # ---- what is different from a request to the platform

    def _pool(self) -> Pool | None:
        return None if self._state is None else self._state.pool

    def _unreachable(self, reason: str) -> None:
        if self._is_navigation:
            # its page may say more in a moment, when the platform has seen it too
            door = (self._public_place + b"/").decode("latin-1")
            page = render_out(door, _AWAY, wait_milliseconds=2000)
            self._exchange.respond(503, page, _HTML, b"retry-after: 2\r\n" + _OURS)
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
            shown = self._base + (b"/~" if self._text else b"") + self._rest
            log.write(self._exchange, status, seconds, self._id, path=shown.decode("latin-1"), app=self._app_id)


def find_visit(gateway: GatewayParts, app_id: str, text: bytes) -> Visit | None:
    """Whose it is, of those who may visit this app now, while it is awake."""
    key, state = gateway.authenticator.key, gateway.apps.find(app_id)
    if key is None or state is None or len(text) > TOKEN_BYTES:
        return None
    try:
        visit = read_visit(key, app_id, text, time.time())
    except TokenExpired:
        return None
    return visit if visit is not None and may_call(state.app, visit.identity) else None


def cookie_pass(gateway: GatewayParts, exchange: Exchange, app_id: str) -> tuple[Visit, bytes] | None:
    """Who the cookie lets in, and the pass of the frame; None for a visitor without one that counts."""
    cookie, key = cookie_value(exchange.head.get(b"cookie")), gateway.authenticator.key
    visit = None if cookie is None else find_visit(gateway, app_id, cookie)
    if key is None or visit is None or visit.use is not Use.COOKIE:
        return None
    return visit, make_visit(key, app_id, replace(visit, use=Use.PASS))


def public_place(gateway: GatewayParts, exchange: Exchange, app_id: str) -> bytes:
    """An app's door, as the browser sees it: also through a Jupyter server's proxy, which says where it is."""
    given = exchange.head.get(b"x-forwarded-prefix")
    outer = gateway.settings.base_path.encode()
    if given is not None and _PREFIX.fullmatch(given):
        outer = given
    return b"%b/apps/%b" % (outer, app_id.encode())
