"""What lets a visitor in to an app: three signed texts, each of which the one before is exchanged for.

- The *ticket* stands in the address that the platform gives out. It counts once, and for a minute.
- The *cookie* is what the browser gets for it: no script reads it, and it is sent to this one app's addresses alone.
- The *pass* stands in the addresses that the app's own page asks for, in a frame. That page has no origin, so that no
  cookie is sent from it. A pass is in no address bar and no history, and counts only while the page around the frame,
  which has the cookie, is open and says so again and again.

All are JWTs (HS256) under a key that is made from the platform's and the app's id: no token, and none for another app.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson

from orrery.gateway.auth import Identity, app_key, read_jwt

COOKIE: Final = "orrery-app"
#: how long a browser may come back without a new ticket
VISIT_SECONDS: Final = 12 * 3600
#: a page says so often that it is open; a browser lets one in the background do so once a minute
KEEP_SECONDS: Final = 20
#: so long after it said so last its pass counts
LEASE_SECONDS: Final = 150
_HEADER: Final = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")


class Use(StrEnum):
    TICKET = "ticket"
    COOKIE = "cookie"
    PASS = "pass"


@dataclass(frozen=True)
class Visit:
    """Who was let in, by which of the three, and what the page is called."""

    identity: Identity
    use: Use
    title: str
    expires_at: float
    #: tells two visits of the same person apart
    id: str


def read_visit(key: bytes, app_id: str, text: bytes, now: float) -> Visit | None:
    """None for what is no such text, or not for this app. Raises: TokenExpired."""
    claims = read_jwt(text, app_key(key, app_id), now)
    if claims is None:
        return None
    use, title, visit_id = claims.get("use"), claims.get("title"), claims.get("jti")
    identity = Identity.of_claims(claims)
    if identity is None or use not in tuple(Use) or not isinstance(title, str) or not isinstance(visit_id, str):
        return None
    expires = claims["exp"]
    assert isinstance(expires, int | float)
    return Visit(identity, Use(str(use)), title, float(expires), visit_id)


def make_visit(key: bytes, app_id: str, visit: Visit) -> bytes:
    """The same text for the same visit."""
    claims: dict[str, object] = {
        "sub": visit.identity.name,
        "groups": sorted(visit.identity.groups),
        "exp": int(visit.expires_at),
        "use": visit.use,
        "title": visit.title,
        "jti": visit.id,
    }
    if visit.identity.admin:
        claims["admin"] = True
    signed = _HEADER + b"." + base64.urlsafe_b64encode(orjson.dumps(claims)).rstrip(b"=")
    signature = hmac.digest(app_key(key, app_id), signed, "sha256")
    return signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")


class Visits:
    """Which tickets are used up, and which passes are kept. `now`: seconds since 1970.

    A gateway that has just begun knows neither: a pass counts then until its page had the time to say that it is open.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._began = now()
        self._used: dict[bytes, float] = {}
        self._kept: dict[bytes, float] = {}

    def take(self, ticket: Visit) -> bool:
        """Use it up; False where it was before."""
        now = self._now()
        self._used = {digest: ends for digest, ends in self._used.items() if ends > now}
        digest = _digest(ticket.id.encode())
        if digest in self._used:
            return False
        self._used[digest] = ticket.expires_at
        return True

    def keep(self, text: bytes) -> None:
        now = self._now()
        self._kept = {digest: ends for digest, ends in self._kept.items() if ends > now}
        self._kept[_digest(text)] = now + LEASE_SECONDS

    def is_kept(self, text: bytes) -> bool:
        now = self._now()
        return now < self._kept.get(_digest(text), self._began + LEASE_SECONDS)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def cookie_value(header: bytes | None) -> bytes | None:
    """Ours, of a `Cookie` header."""
    for part in (header or b"").split(b";"):
        name, separator, value = part.strip().partition(b"=")
        if separator and name == COOKIE.encode():
            return value
    return None
