"""Who is calling: our own signed tokens, the hub's tokens, or a browser's cookie.

A cookie is taken for unsafe methods only from our own pages (Fetch Metadata, else the Origin header), so that another
site cannot act for the user.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import jwt
from fastapi import Request

from orrery.domain.access import User
from orrery.errors import Forbidden, Invalid, Unauthenticated

COOKIE: Final = "orrery-session"
_ALGORITHM: Final = "HS256"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_LIFETIME_SECONDS: Final = 12 * 3600
LONGEST_LIFETIME_SECONDS: Final = 365 * 24 * 3600


class TokenVerifier(Protocol):
    """Knows tokens that are not ours: the hub's."""

    async def user_for_token(self, token: str) -> User | None: ...


class Signer:
    """Makes and reads our tokens: JWT, HS256, with `sub`, `groups`, `admin`, `exp`, and of a run's own its `run`."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Signer(key=***)"

    @classmethod
    def open(cls, path: Path) -> Signer:
        """Read the key, or make it (0600) where there is none. Two processes that do so at once get the same."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            temporary = path.with_suffix(f".{secrets.token_hex(4)}")
            temporary.touch(mode=0o600)
            temporary.write_text(secrets.token_urlsafe(48))
            try:
                path.hardlink_to(temporary)
            except FileExistsError:
                pass  # the other process was first: its key is the key
            temporary.unlink()
        return cls(path.read_text().strip())

    def sign(self, user: User, lifetime_seconds: float) -> tuple[str, int]:
        """The token and when it ends (seconds since 1970)."""
        ends = int(time.time() + lifetime_seconds)
        claims = {"sub": user.name, "groups": sorted(user.groups), "admin": user.admin, "exp": ends}
        return jwt.encode({**claims, **({"run": user.run} if user.run else {})}, self._key, _ALGORITHM), ends

    def sign_ticket(self, user: User, app_id: str, title: str, lifetime_seconds: float) -> str:
        """Lets `user` in to one app, once, at the gateway (`orrery.gateway.visits`).

        It is no token: its key is made from ours and the app's id. `user`: with those of their groups, and that right,
        that matter there, since the app's code can read what follows from the ticket; `title`: what the page is called.
        """
        key = hmac.digest(self._key.encode(), f"orrery app {app_id}".encode(), "sha256")
        claims = {"sub": user.name, "groups": sorted(user.groups), "exp": int(time.time() + lifetime_seconds)}
        only = {"use": "ticket", "title": title, "jti": secrets.token_urlsafe(12)}
        return jwt.encode({**claims, **only, **({"admin": True} if user.admin else {})}, key, _ALGORITHM)

    def read(self, token: str) -> User | None:
        """The user; None when the token is not one of ours. Raises: Unauthenticated for one of ours that has ended."""
        try:
            claims: dict[str, Any] = jwt.decode(token, self._key, [_ALGORITHM], options={"require": ["exp", "sub"]})
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("the token has expired; get a new one") from error
        except jwt.InvalidTokenError:
            return None
        groups = frozenset(map(str, claims.get("groups", ())))
        return User(str(claims["sub"]), groups, bool(claims.get("admin")), str(claims.get("run", "")))


@dataclass(frozen=True)
class Authenticator:
    """FastAPI dependency: `user: Annotated[User, Depends(authenticator)]`.

    `is_alive`: whether the run of this job's id has not ended; asked at every use of a run's own token, so it is quick.
    """

    signer: Signer
    is_alive: Callable[[str], bool]
    hub: TokenVerifier | None = None
    admins: frozenset[str] = frozenset()

    async def __call__(self, request: Request) -> User:
        """Raises: Unauthenticated, Forbidden."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme and scheme.lower() not in ("bearer", "token"):
            raise Unauthenticated(
                f"authorization scheme {scheme!r} is not understood; send `Authorization: Bearer <token>`"
            )
        if not token:
            token = request.cookies.get(COOKIE, "")
            if token:
                check_own_page(request)
        user = await self.user_for_token(token.strip()) if token else None
        if user is None:
            raise Unauthenticated("the token is not valid; get a new one" if token else None)
        return user

    async def user_for_token(self, token: str) -> User | None:
        """The user; None for no token of ours nor the hub's. Raises: Unauthenticated for one that has ended."""
        user = self.signer.read(token)
        if user is not None and user.run and not self.is_alive(user.run):
            raise Unauthenticated("the run that this token was made for has ended; use a token of your own")
        if user is None and self.hub is not None:
            user = await self.hub.user_for_token(token)
        if user is not None and user.name in self.admins and not user.admin:
            return replace(user, admin=True)
        return user


def check_own_page(request: Request) -> None:
    """Raises: Forbidden for an unsafe request that another site's page made with the user's cookie."""
    if request.method in _SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    host = request.headers.get("x-forwarded-host") or request.headers.get("host")
    is_own = (
        site in ("same-origin", "none") if site is not None else origin is not None and urlsplit(origin).netloc == host
    )
    if not is_own:
        raise Forbidden("this request comes from another site; send a token in the Authorization header instead")


def check_lifetime(seconds: float | None) -> float:
    """Raises: Invalid."""
    if seconds is None:
        return DEFAULT_LIFETIME_SECONDS
    if not 60 <= seconds <= LONGEST_LIFETIME_SECONDS:
        raise Invalid(f"expires_seconds {seconds:g} is out of range; use 60 to {LONGEST_LIFETIME_SECONDS}")
    return seconds
