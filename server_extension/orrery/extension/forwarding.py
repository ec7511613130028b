"""What is passed on between a browser and the platform, and what never is. Pure.

Jupyter's own credentials (cookies, tokens in headers and in the query) stop here; the platform gets its own token. Of
cookies, that of a visitor of one app alone crosses, in both directions (`orrery.gateway.visits`).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

#: RFC 9110 §7.6.1: they belong to one connection
HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: Jupyter's own, and what the proxy states anew
WITHHELD_FROM_PLATFORM: Final = HOP_BY_HOP | frozenset(
    {
        "authorization",
        "cookie",
        "expect",
        "host",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-prefix",
        "x-forwarded-proto",
        "x-real-ip",
        "x-scheme",
        "x-xsrftoken",
    }
)
WITHHELD_FROM_BROWSER: Final = HOP_BY_HOP | frozenset({"set-cookie", "server", "date"})
APP_COOKIE: Final = "orrery-app"
WITHHELD_QUERY: Final = frozenset({"token", "_xsrf"})


@dataclass(frozen=True)
class Upstream:
    """Where the platform listens, and as whom it is spoken to.

    `url` has no trailing slash; its path, if any, is the prefix that the platform itself is served under.
    """

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Upstream(url={self.url!r})"

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def is_tls(self) -> bool:
        return urlsplit(self.url).scheme == "https"

    @property
    def netloc(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def prefix(self) -> str:
        return urlsplit(self.url).path.rstrip("/")


@dataclass(frozen=True)
class Front:
    """How the browser reaches the proxy: `prefix` is `{base_url}orrery`, without a trailing slash."""

    prefix: str
    host: str
    scheme: str
    client_address: str


def make_target(upstream: Upstream, path: str, query: str) -> str:
    """The request target for `path` (as it came, still percent-encoded, with its leading slash)."""
    kept = "&".join(part for part in query.split("&") if part and part.partition("=")[0] not in WITHHELD_QUERY)
    return f"{upstream.prefix}{path}" + (f"?{kept}" if kept else "")


def make_tls(upstream: Upstream) -> ssl.SSLContext | None:
    return ssl.create_default_context() if upstream.is_tls else None


def make_request_headers(
    received: Iterable[tuple[str, str]], upstream: Upstream, front: Front, *, with_token: bool = True
) -> list[tuple[str, str]]:
    received = list(received)
    named = {
        name.strip().lower()
        for header, value in received
        if header.lower() == "connection"
        for name in value.split(",")
    }
    withheld = WITHHELD_FROM_PLATFORM | named
    return [
        ("Host", upstream.netloc),
        *((name, value) for name, value in received if name.lower() not in withheld),
        *(("Cookie", cookie) for cookie in _app_cookies(received)),
        *([("Authorization", f"Bearer {upstream.token}")] if with_token else []),
        ("X-Forwarded-For", front.client_address),
        ("X-Forwarded-Host", front.host),
        ("X-Forwarded-Prefix", front.prefix),
        ("X-Forwarded-Proto", front.scheme),
    ]


def make_response_headers(
    received: Iterable[tuple[str, str]], upstream: Upstream, front: Front
) -> list[tuple[str, str]]:
    return [
        (name, relocate(value, upstream, front) if name.lower() == "location" else value)
        for name, value in received
        if name.lower() not in WITHHELD_FROM_BROWSER or _is_app_cookie(name, value)
    ]


def _app_cookies(received: Iterable[tuple[str, str]]) -> list[str]:
    sent = [part.strip() for name, value in received if name.lower() == "cookie" for part in value.split(";")]
    return [cookie for cookie in sent if cookie.startswith(f"{APP_COOKIE}=")][:1]


def _is_app_cookie(name: str, value: str) -> bool:
    return name.lower() == "set-cookie" and value.startswith(f"{APP_COOKIE}=")


def relocate(location: str, upstream: Upstream, front: Front) -> str:
    """A redirect within the platform, as the browser has to follow it; any other is left as it is."""
    path = location.removeprefix(f"{urlsplit(upstream.url).scheme}://{upstream.netloc}")
    if not path.startswith("/") or path.startswith("//"):
        return location
    if path.startswith(f"{front.prefix}/"):
        return path
    inner = path.removeprefix(upstream.prefix) if f"{path}/".startswith(f"{upstream.prefix}/") else path
    return front.prefix + (inner or "/")
