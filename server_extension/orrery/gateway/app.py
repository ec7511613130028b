"""The gateway's application: which requests are whose, and the clock behind deadlines, routes and statistics."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

import orjson

from orrery._version import __version__
from orrery.gateway.access_log import AccessLog
from orrery.gateway.app_call import AppCall, split_app_path
from orrery.gateway.apps import AppTable
from orrery.gateway.auth import Authenticator, bearer_token, unauthenticated
from orrery.gateway.balancing import DOWN_SECONDS, RoutingTable
from orrery.gateway.contract import TimedCall
from orrery.gateway.endpoint_call import EndpointCall, no_access, not_found
from orrery.gateway.forwarding import forwarded_lines
from orrery.gateway.platform_call import PlatformCall
from orrery.gateway.routes import BadRoutes, parse_routes
from orrery.gateway.settings import Settings
from orrery.gateway.stats import Stats
from orrery.gateway.visits import Visits
from orrery.gateway.whoami import Whoami
from orrery.serving.http import Exchange, HttpError

log = logging.getLogger(__name__)

FOLLOW_SECONDS: Final = 0.1
TICK_SECONDS: Final = 0.25
FLUSH_SECONDS: Final = 10.0
_LOOPBACK: Final = frozenset({"", "127.0.0.1", "::1"})


class Gateway:
    """The application on the public port. Made on the event loop."""

    down_seconds = DOWN_SECONDS

    def __init__(self, settings: Settings, access_log: AccessLog | None = None) -> None:
        self.settings = settings
        self.access_log = access_log
        self.stats = Stats(settings.stats_file)
        self.table = RoutingTable(self.stats)
        self.port = settings.port
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self.apps = AppTable(self.now)
        self.visits = Visits(time.time)
        self.active: set[TimedCall] = set()
        self.waiting: set[TimedCall] = set()
        self._held_bytes = 0
        self._prefix = settings.base_path.encode() + b"/endpoints/"
        self._apps_prefix = settings.base_path.encode() + b"/apps/"
        self.authenticator = Authenticator(
            settings.home / "secrets" / "jwt.key", Whoami(self.table, settings.base_path).ask
        )
        self._stamp: tuple[int, int, int] | None = None
        self.check_routes()
        self._timers = [
            asyncio.create_task(self._every(FOLLOW_SECONDS, self._follow)),
            asyncio.create_task(self._every(TICK_SECONDS, self.check_deadlines)),
            asyncio.create_task(self._every(FLUSH_SECONDS, self.stats.flush)),
        ]

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self.stats.flush()
        if self.access_log is not None:
            self.access_log.flush()

    async def _every(self, seconds: float, check: Callable[[], object]) -> None:
        """Call `check` again and again; a fault in one turn is logged and does not end the others."""
        while True:
            await asyncio.sleep(seconds)
            try:
                check()
            except Exception:
                log.exception("a periodic check failed", extra={"action": "check"})

    # ---- requests

    def on_request(self, exchange: Exchange) -> None:
        if exchange.head.path.startswith(self._prefix):
            self._endpoint(exchange)
        elif exchange.head.path.startswith(self._apps_prefix):
            self._app(exchange)
        else:
            PlatformCall(self, exchange).start()

    def _app(self, exchange: Exchange) -> None:
        parts = split_app_path(exchange.head.path, self._apps_prefix)
        if parts is None:
            PlatformCall(self, exchange).start()
            return
        app_id, text, rest = parts
        if text is not None:
            AppCall(self, exchange, app_id, text, rest).start()
        elif not AppCall(self, exchange, app_id, b"", rest).show_frame():
            PlatformCall(self, exchange).start()

    def _endpoint(self, exchange: Exchange) -> None:
        head = exchange.head
        owner_end = head.path.find(b"/", len(self._prefix))
        if owner_end < 0:
            raise HttpError(404, "not_found", "an endpoint's address is /endpoints/<owner>/<name>/...")
        name_end = head.path.find(b"/", owner_end + 1)
        if name_end < 0:
            name_end = len(head.path)
        owner = unquote(head.path[len(self._prefix) : owner_end].decode("latin-1"))
        name = unquote(head.path[owner_end + 1 : name_end].decode("latin-1"))
        target = head.target[name_end:]
        exchange.oip_errors = target == b"/v2" or target.startswith((b"/v2/", b"/v2?"))
        endpoint = self.table.find(owner, name)
        if endpoint is not None:
            EndpointCall(self, exchange, endpoint, target).start()
        elif bearer_token(head.get(b"authorization")) is None:
            raise unauthenticated(no_access(owner, name))
        else:
            raise not_found(owner, name)

    def forwarded(self, exchange: Exchange) -> bytes:
        peer = exchange.connection.peername
        return forwarded_lines(exchange.head, peer, trusted=self.settings.trust_proxy or peer in _LOOPBACK)

    def charge(self, size: int) -> None:
        """Count `size` bytes of a request's body as held (negative: let go). Raises `HttpError` 503 over the budget."""
        self._held_bytes += size
        if size > 0 and self._held_bytes > self.settings.body_budget_bytes:
            message = f"the gateway holds {self._held_bytes} bytes of requests, its budget; try again"
            raise HttpError(503, "busy", message, headers=b"retry-after: 1\r\n", close=True)

    # ---- the clock

    def _follow(self) -> None:
        self.authenticator.check_key()
        if self.check_routes():
            self._retry_waiting()

    def check_routes(self) -> bool:
        """Apply the routes document if it has changed. A bad one is logged, and the one before stays in force."""
        path = self.settings.routes_path
        try:
            found = os.stat(path)
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp == self._stamp:
                return False
            data = path.read_bytes()
        except FileNotFoundError:
            return False
        except OSError as error:
            log.error("%s cannot be read: %s", path, error, extra={"action": "read_routes"})
            return False
        self._stamp = stamp
        try:
            routes = parse_routes(data)
            self.table.apply(routes)
            self.apps.apply(routes.apps)
        except BadRoutes as error:
            log.error("%s is not applied: %s", path, error, extra={"action": "read_routes"})
            return False
        return True

    def check_deadlines(self) -> None:
        now = self.now()
        for call in [call for call in self.active if call.deadline is not None and call.deadline < now]:
            call.expire()
        self._retry_waiting()
        if self.access_log is not None:
            self.access_log.flush()

    def _retry_waiting(self) -> None:
        for call in list(self.waiting):
            if not call.done:
                call.attempt()


class Control:
    """What the platform asks the gateway, on a socket of its own."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def on_request(self, exchange: Exchange) -> None:
        gateway = self._gateway
        if exchange.head.method != "GET":
            raise HttpError(405, "method_not_allowed", "use GET", headers=b"allow: GET\r\n")
        if exchange.head.path == b"/status":
            document: dict[str, object] = {
                "revision": gateway.table.revision,
                "pid": os.getpid(),
                "port": gateway.port,
                "version": __version__,
                "outstanding": len(gateway.active),
                "waiting": len(gateway.waiting),
                "draining": gateway.table.draining(),
            }
        elif exchange.head.path == b"/stats":
            document = gateway.stats.document()
        elif exchange.head.path == b"/apps":
            document = {"apps": gateway.apps.document()}
        else:
            raise HttpError(404, "not_found", "there is /status, /stats and /apps")
        exchange.respond(200, orjson.dumps(document))
