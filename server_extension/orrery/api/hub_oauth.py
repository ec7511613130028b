"""The platform as a JupyterHub service: whose a token is, and how a browser logs in (OAuth 2, RFC 6749 §4.1).

The hub is asked over HTTP and its library is not imported, which would cost the platform 60 MB. A browser's session is
the hub's own access token in a cookie: logging out of the hub, or deleting the user, ends it here within
`FRESH_SECONDS`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import httpx
from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import RedirectResponse, Response

from orrery.api import errors
from orrery.api.auth import COOKIE
from orrery.domain.access import User
from orrery.errors import Forbidden, Invalid, Unauthenticated, Unavailable

FRESH_SECONDS: Final = 60.0
#: while the hub does not answer (it restarts), what it said is believed for this long
STALE_SECONDS: Final = 600.0
#: an unknown token is not asked about again at once
UNKNOWN_SECONDS: Final = 5.0
CACHED_TOKENS: Final = 4096
LOGIN_SECONDS: Final = 600
STATE_COOKIE: Final = "orrery-login-"


@dataclass(frozen=True)
class HubSettings:
    """What the hub tells a service in its environment; `api_token` is also the OAuth client's secret."""

    #: the hub's API as the platform reaches it, without a trailing slash
    api_url: str
    api_token: str = field(repr=False)
    client_id: str
    #: where this service is, with a trailing slash: `/services/orrery/`
    prefix: str
    #: the hub as browsers reach it; relative where it is on the same host
    hub_url: str
    callback_url: str
    #: a token must carry one of these
    access_scopes: frozenset[str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> HubSettings:
        """Raises: Invalid when no hub started this process."""
        needed = ("JUPYTERHUB_API_TOKEN", "JUPYTERHUB_API_URL", "JUPYTERHUB_SERVICE_PREFIX")
        missing = [name for name in needed if not environment.get(name)]
        if missing:
            raise Invalid(f"{missing[0]} is not set: `orrery up --hub` is started by JupyterHub as its service")
        token, api_url, prefix = (environment[name] for name in needed)
        name = environment.get("JUPYTERHUB_SERVICE_NAME", "orrery")
        host, base = environment.get("JUPYTERHUB_HOST", ""), environment.get("JUPYTERHUB_BASE_URL", "/")
        scopes = environment.get("JUPYTERHUB_OAUTH_ACCESS_SCOPES")
        prefix = prefix.rstrip("/") + "/"
        return cls(
            api_url=api_url.rstrip("/"),
            api_token=token,
            client_id=environment.get("JUPYTERHUB_CLIENT_ID") or f"service-{name}",
            prefix=prefix,
            hub_url=f"{host}{base}hub/",
            callback_url=environment.get("JUPYTERHUB_OAUTH_CALLBACK_URL") or f"{prefix}oauth_callback",
            access_scopes=frozenset(json.loads(scopes))
            if scopes
            else frozenset({"access:services", f"access:services!service={name}"}),
        )


@dataclass(frozen=True)
class _Answer:
    user: User | None
    asked_at: float


class HubAuthenticator:
    """Asks the hub. One for each process; safe within one event loop.

    `clock` counts seconds and never runs backwards.
    """

    def __init__(
        self,
        settings: HubSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._http = httpx.AsyncClient(timeout=10.0, trust_env=False, transport=transport)
        self._answers: OrderedDict[bytes, _Answer] = OrderedDict()

    @classmethod
    def from_environment(cls) -> HubAuthenticator:
        """Raises: Invalid when no hub started this process."""
        return cls(HubSettings.from_environment())

    async def close(self) -> None:
        await self._http.aclose()

    async def user_for_token(self, token: str) -> User | None:
        """Whose token it is; None where the hub does not know it, or it may not use this service.

        Raises: Unavailable when the hub does not answer and has not lately said who it is.
        """
        if not token.isascii() or not token.isprintable():
            return None
        key = hashlib.sha256(token.encode()).digest()
        known = self._answers.get(key)
        age = self._clock() - known.asked_at if known else 0.0
        if known is not None and age < (FRESH_SECONDS if known.user else UNKNOWN_SECONDS):
            return known.user
        try:
            user = await self._ask(token)
        except Unavailable:
            if known is not None and known.user is not None and age < STALE_SECONDS:
                return known.user
            raise
        self._answers[key] = _Answer(user, self._clock())
        self._answers.move_to_end(key)
        while len(self._answers) > CACHED_TOKENS:
            self._answers.popitem(last=False)
        return user

    async def _ask(self, token: str) -> User | None:
        url = f"{self.settings.api_url}/user"
        try:
            answer = await self._http.get(url, headers={"Authorization": f"token {token}"})
        except httpx.HTTPError as error:
            raise Unavailable(f"the hub at {url} does not answer ({error}); try again in a moment") from error
        if answer.status_code in (401, 403, 404):
            return None
        if not answer.is_success:
            raise Unavailable(f"the hub at {url} answered {answer.status_code}; try again in a moment")
        model: dict[str, Any] = answer.json()
        # A filtered scope (`...!user=ann`) of the same name does not open this service.
        if model.get("kind") != "user" or not self.settings.access_scopes.intersection(model.get("scopes", ())):
            return None
        return User(str(model["name"]), frozenset(map(str, model.get("groups") or ())), bool(model.get("admin")))

    async def exchange(self, code: str) -> tuple[str, int]:
        """The access token for the code that the hub gave the browser, and for how many seconds it lasts.

        Raises: Forbidden, Unavailable.
        """
        url = f"{self.settings.api_url}/oauth2/token"
        form = {
            "client_id": self.settings.client_id,
            "client_secret": self.settings.api_token,
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.settings.callback_url,
        }
        try:
            answer = await self._http.post(url, data=form)
        except httpx.HTTPError as error:
            raise Unavailable(f"the hub at {url} does not answer ({error}); try again in a moment") from error
        if not answer.is_success:
            raise Forbidden(f"the hub did not accept the login (it answered {answer.status_code}); log in again")
        granted: dict[str, Any] = answer.json()
        return str(granted["access_token"]), int(granted.get("expires_in") or 3600)

    def forget(self, token: str) -> None:
        self._answers.pop(hashlib.sha256(token.encode()).digest(), None)

    def login_url(self, target: str) -> str:
        """Where a browser that has to log in is sent; it comes back to `target`."""
        return f"{self.settings.prefix}login?{urlencode({'next': target})}"

    def authorize_url(self, state: str) -> str:
        query = {
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.callback_url,
            "response_type": "code",
            "state": state,
        }
        return f"{self.settings.hub_url}api/oauth2/authorize?{urlencode(query)}"

    def own_path(self, target: str) -> str:
        """`target` where it is one of this service's pages, else its first page: a login leads nowhere else."""
        is_own = target.startswith(self.settings.prefix) and not any(ord(letter) < 33 for letter in target)
        return target if is_own and "\\" not in target else self.settings.prefix


def install(app: FastAPI, hub: HubAuthenticator) -> None:
    """The login's routes; and whoever opens a page without having logged in is sent there and comes back."""
    app.include_router(make_login_router(hub))

    @app.exception_handler(Unauthenticated)
    async def log_in(request: Request, error: Unauthenticated) -> Response:  # pyright: ignore[reportUnusedFunction]
        if not is_page(request):
            return errors.answer(error)
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(hub.login_url(target), status_code=302)


def is_page(request: Request) -> bool:
    """Whether a person's browser asks for a page, and may be sent to a login instead of being told an error."""
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def make_login_router(hub: HubAuthenticator) -> APIRouter:
    """`login`, `oauth_callback` and `logout`, relative to the service's prefix."""
    router = APIRouter(include_in_schema=False)
    prefix = hub.settings.prefix

    def set_cookie(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
        scheme = request.headers.get("x-forwarded-proto", request.url.scheme).partition(",")[0]
        is_secure = scheme == "https"
        response.set_cookie(name, value, max_age=seconds, path=prefix, secure=is_secure, httponly=True, samesite="lax")

    @router.get("/login")
    async def login(request: Request, target: Annotated[str, Query(alias="next")] = "") -> Response:
        state = secrets.token_urlsafe(24)
        response = RedirectResponse(hub.authorize_url(state), status_code=302)
        remembered = urlsafe_b64encode(hub.own_path(target).encode()).decode()
        # One cookie for each login under way: several tabs may log in at once.
        set_cookie(request, response, STATE_COOKIE + state[:8], f"{state}.{remembered}", LOGIN_SECONDS)
        return response

    @router.get("/oauth_callback")
    async def oauth_callback(request: Request, state: str = "", code: str = "", error: str = "") -> Response:
        if error:
            raise Forbidden(f"the hub refused the login: {error}")
        name = STATE_COOKIE + state[:8]
        expected, _, remembered = request.cookies.get(name, "").partition(".")
        if not code or not state or not hmac.compare_digest(expected.encode(), state.encode()):
            raise Invalid("this login was begun in another browser, or too long ago; open the page again")
        token, seconds = await hub.exchange(code)
        if await hub.user_for_token(token) is None:
            raise Forbidden("your account may not use Orrery on this hub; ask its administrator")
        target = hub.own_path(urlsafe_b64decode(remembered).decode())
        response = RedirectResponse(target, status_code=302)
        response.delete_cookie(name, path=prefix)
        set_cookie(request, response, COOKIE, token, seconds)
        return response

    @router.get("/logout")
    async def logout(request: Request) -> Response:
        """Ends the session here and at the hub."""
        hub.forget(request.cookies.get(COOKIE, ""))
        response = RedirectResponse(f"{hub.settings.hub_url}logout", status_code=302)
        response.delete_cookie(COOKIE, path=prefix)
        return response

    # Used through the router only.
    _ = (login, oauth_callback, logout)
    return router
