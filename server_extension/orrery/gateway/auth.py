"""Who is calling: JWTs verified here, any other token resolved by the platform and remembered for a while.

Only `Authorization: Bearer` counts. Cookies and `?token=` do not: a page of another origin could make a browser send
those. Tokens are never logged or stored; the caches are keyed by their SHA-256.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import orjson

from orrery.gateway.routes import App, Route
from orrery.serving.http import HttpError

log = logging.getLogger(__name__)

#: A token resolved by the platform holds this long ...
FRESH_SECONDS: Final = 60.0
#: ... that of a run, which may end at any time, only so long ...
RUN_FRESH_SECONDS: Final = 5.0
#: ... and this long while the platform cannot be asked.
STALE_SECONDS: Final = 600.0
#: A token that the platform refused is not asked about again for this long.
REFUSED_SECONDS: Final = 5.0
CACHED_TOKENS: Final = 4096
TOKEN_BYTES: Final = 16384

_CHALLENGE: Final = b"www-authenticate: Bearer\r\n"


@dataclass(frozen=True)
class Identity:
    name: str
    groups: frozenset[str] = frozenset()
    admin: bool = False
    #: of a run's own token: the platform alone knows whether that has ended
    of_run: bool = False

    @classmethod
    def of_claims(cls, claims: Mapping[str, object]) -> Identity | None:
        """Who a signed text names; None where it does not say it as it should."""
        subject, groups = claims.get("sub"), cast("object", claims.get("groups") or [])
        if not isinstance(subject, str) or not subject or not isinstance(groups, list):
            return None
        names = frozenset(name for name in cast("list[object]", groups) if isinstance(name, str))
        return cls(subject, names, claims.get("admin") is True, of_run="run" in claims)


def unauthenticated(message: str) -> HttpError:
    return HttpError(401, "unauthenticated", message, headers=_CHALLENGE)


def may_call(route: Route | App, identity: Identity) -> bool:
    """The one rule of visibility for those who are logged in; public endpoints are not asked about."""
    if route.visibility == "public" or identity.admin or route.owner in (identity.name, *identity.groups):
        return True
    return route.visibility == "group" and route.group is not None and route.group in identity.groups


def bearer_token(authorization: bytes | None) -> bytes | None:
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(b" ")
    # `token` is what JupyterHub's own clients say
    if scheme.lower() not in (b"bearer", b"token"):
        return None
    return token.strip() or None


def app_key(key: bytes, app_id: str) -> bytes:
    """What lets visitors in to an app is signed with it: that is no token, and none for another app."""
    return hmac.digest(key, f"orrery app {app_id}".encode(), "sha256")


class TokenExpired(Exception):
    """The token was ours, and its time is over."""


def verify_jwt(token: bytes, key: bytes, now: float) -> tuple[Identity, float] | None:
    """The identity in a token signed with `key` (HS256) and when it ends; None if it is no such token.

    Raises: `TokenExpired`.
    """
    claims = read_jwt(token, key, now)
    identity = None if claims is None else Identity.of_claims(claims)
    if claims is None or identity is None:
        return None
    return identity, float(cast("float", claims["exp"]))


def read_jwt(token: bytes, key: bytes, now: float) -> dict[str, object] | None:
    """What a text signed with `key` (HS256) claims, with a number as its `exp`; None if it is none.

    Raises: `TokenExpired`.
    """
    parts = token.split(b".")
    if len(parts) != 3:
        return None
    header = _json_part(parts[0])
    if header is None or header.get("alg") != "HS256" or "crit" in header:
        return None
    signature = _decode(parts[2])
    expected = hmac.digest(key, parts[0] + b"." + parts[1], "sha256")
    if signature is None or not hmac.compare_digest(signature, expected):
        return None
    claims = _json_part(parts[1])
    if claims is None:
        return None
    expires = claims.get("exp")
    if not isinstance(expires, int | float):
        return None
    not_before = claims.get("nbf", 0)
    if now >= expires or not isinstance(not_before, int | float) or now < not_before - 30:
        raise TokenExpired
    return claims


def _decode(part: bytes) -> bytes | None:
    try:
        return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None


def _json_part(part: bytes) -> dict[str, object] | None:
    decoded = _decode(part)
    if decoded is None:
        return None
    try:
        document = cast("object", orjson.loads(decoded))
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, object]", document) if isinstance(document, dict) else None


@dataclass(frozen=True)
class _Entry:
    #: None: refused
    identity: Identity | None
    #: time.time() until which it needs no question
    fresh_until: float
    #: time.time() until which it stands in for an answer that cannot be had
    stale_until: float


#: Asks the platform: answers (status, body), or None when it cannot be reached.
Whoami = Callable[[bytes, Callable[[tuple[int, bytes] | None], None]], None]
Done = Callable[[Identity | HttpError], None]


class Authenticator:
    def __init__(self, key_file: Path, whoami: Whoami, clock: Callable[[], float] = time.time) -> None:
        self._key_file = key_file
        self._whoami = whoami
        self._clock = clock
        self._key: bytes | None = None
        self._key_stamp: tuple[int, int] | None = None
        self._cache: OrderedDict[bytes, _Entry] = OrderedDict()
        self._waiting: dict[bytes, list[Done]] = {}
        self.check_key()

    def check_key(self) -> None:
        """Follow the key file; a new key ends what the old one signed."""
        try:
            found = self._key_file.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if stamp == self._key_stamp:
                return
            self._key = self._key_file.read_bytes().strip() or None
        except FileNotFoundError:
            if self._key is None:
                return
            stamp, self._key = None, None
        except OSError as error:
            log.error("the key %s cannot be read: %s", self._key_file, error, extra={"action": "read_key"})
            return
        self._key_stamp = stamp
        self._cache.clear()

    def identify(self, token: bytes, done: Done) -> None:
        """Call `done` with who it is, at once where that is known, or with the refusal."""
        if len(token) > TOKEN_BYTES:
            done(unauthenticated(f"the token is over {TOKEN_BYTES} bytes; log in again"))
            return
        digest = hashlib.sha256(token).digest()
        now = self._clock()
        entry = self._cache.get(digest)
        if entry is not None and now < entry.fresh_until:
            done(entry.identity or _refused())
            return
        fresh_seconds = FRESH_SECONDS
        if self._key is not None:
            try:
                verified = verify_jwt(token, self._key, now)
            except TokenExpired:
                done(unauthenticated("the token has expired; get a new one"))
                return
            if verified is not None and verified[0].of_run:
                fresh_seconds = RUN_FRESH_SECONDS
            elif verified is not None:
                identity, expires = verified
                self._remember(digest, _Entry(identity, expires, expires))
                done(identity)
                return
        waiting = self._waiting.setdefault(digest, [])
        waiting.append(done)
        if len(waiting) == 1:
            self._whoami(token, lambda answer: self._resolved(digest, answer, fresh_seconds))

    @property
    def key(self) -> bytes | None:
        """What is signed and checked here; None while there is no key file."""
        return self._key

    def _resolved(self, digest: bytes, answer: tuple[int, bytes] | None, fresh_seconds: float) -> None:
        now = self._clock()
        entry = self._cache.get(digest)
        result: Identity | HttpError
        if answer is not None and answer[0] == 200 and (identity := _identity(answer[1])) is not None:
            self._remember(digest, _Entry(identity, now + fresh_seconds, now + STALE_SECONDS))
            result = identity
        elif answer is not None and answer[0] in (401, 403):
            self._remember(digest, _Entry(None, now + REFUSED_SECONDS, 0))
            result = _refused()
        elif entry is not None and entry.identity is not None and now < entry.stale_until:
            result = entry.identity
        else:
            message = "the platform cannot be asked who this token belongs to just now; try again"
            result = HttpError(503, "unavailable", message, headers=b"retry-after: 2\r\n")
        for done in self._waiting.pop(digest, []):
            done(result)

    def _remember(self, digest: bytes, entry: _Entry) -> None:
        self._cache[digest] = entry
        self._cache.move_to_end(digest)
        if len(self._cache) > CACHED_TOKENS:
            self._cache.popitem(last=False)


def _refused() -> HttpError:
    return unauthenticated("the token is not valid; log in again, or get a new one")


def _identity(body: bytes) -> Identity | None:
    try:
        document = cast("object", orjson.loads(body))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    fields = cast("dict[str, object]", document)
    name, groups = fields.get("name"), cast("object", fields.get("groups") or [])
    if not isinstance(name, str) or not name or not isinstance(groups, list):
        return None
    return Identity(name, frozenset(str(group) for group in cast("list[object]", groups)), fields.get("admin") is True)
