"""Which headers cross the gateway, in both directions, and how they are written."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Final

from orrery.serving.http import Head
from orrery.serving.http.messages import HOP_BY_HOP

Headers = list[tuple[bytes, bytes]]

_FORWARDED: Final = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip"}
)
#: Made anew by us in each message.
_OURS: Final = frozenset({b"content-length", b"expect", b"x-request-id", b"host"})
_TO_PLATFORM: Final = HOP_BY_HOP | _FORWARDED | _OURS
#: Neither who is calling nor what proves it is a model's business.
_TO_REPLICA: Final = _TO_PLATFORM | {b"authorization", b"cookie", b"x-orrery-deployment"}
#: Nor an app's; an origin and a fetch's circumstances mean nothing for pages that have none.
_TO_APP: Final = _TO_REPLICA | {b"origin", b"referer", b"x-forwarded-prefix", b"x-xsrftoken"}
_TO_CLIENT: Final = HOP_BY_HOP | {b"content-length", b"x-request-id"}

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_PREFIX: Final = secrets.token_hex(6)


class _Counter:
    value = 0


def request_id(head: Head) -> bytes:
    """The client's own id if it is harmless, else a new one."""
    given = head.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    _Counter.value += 1
    return f"{_PREFIX}-{_Counter.value:x}".encode()


def _encode(headers: Iterable[tuple[bytes, bytes]], dropped: frozenset[bytes], connection: bytes | None) -> bytes:
    if connection is not None and connection.lower() not in (b"keep-alive", b"close", b"upgrade"):
        dropped = dropped | {name.strip().lower() for name in connection.split(b",")}
    return b"".join([b"%b: %b\r\n" % header for header in headers if header[0] not in dropped])


def forwarded_lines(head: Head, peer: str, *, trusted: bool) -> bytes:
    """`X-Forwarded-*`: added to what a trusted proxy before us sent, instead of what anybody else did."""
    before = head.get(b"x-forwarded-for") if trusted else None
    address = peer.encode("ascii", "replace") or b"unknown"
    chain = address if before is None else b"%b, %b" % (before, address)
    proto = (head.get(b"x-forwarded-proto") if trusted else None) or b"http"
    host = (head.get(b"x-forwarded-host") if trusted else None) or head.host or b""
    return b"x-forwarded-for: %b\r\nx-forwarded-proto: %b\r\nx-forwarded-host: %b\r\n" % (chain, proto, host)


def replica_head(head: Head, target: bytes, length: int, identifier: bytes, forwarded: bytes) -> bytes:
    """A request to a replica: always with Content-Length, since its body is at hand."""
    return b"%b %b HTTP/1.1\r\nhost: replica\r\n%bcontent-length: %d\r\nx-request-id: %b\r\n%b\r\n" % (
        head.method.encode(),
        target,
        _encode(head.headers, _TO_REPLICA, head.get(b"connection")),
        length,
        identifier,
        forwarded,
    )


def platform_head(head: Head, identifier: bytes, forwarded: bytes, *, websocket: bool) -> bytes:
    """A request to the platform, its target and its credentials as they came."""
    return b"%b %b HTTP/1.1\r\nhost: %b\r\n%b%bx-request-id: %b\r\n%b\r\n" % (
        head.method.encode(),
        head.target,
        head.host or b"localhost",
        _encode(head.headers, _TO_PLATFORM, head.get(b"connection")),
        _framing(head, websocket),
        identifier,
        forwarded,
    )


def app_head(
    head: Head, target: bytes, identifier: bytes, forwarded: bytes, prefix: bytes, *, websocket: bool
) -> bytes:
    """A request to an app, which learns where the browser sees it, and nothing of who asks."""
    return b"%b %b HTTP/1.1\r\nhost: %b\r\n%b%bx-request-id: %b\r\nx-forwarded-prefix: %b\r\n%b\r\n" % (
        head.method.encode(),
        target,
        head.host or b"localhost",
        _encode(head.headers, _TO_APP, head.get(b"connection")),
        _framing(head, websocket),
        identifier,
        prefix,
        forwarded,
    )


def _framing(head: Head, websocket: bool) -> bytes:
    if websocket:
        return b"connection: Upgrade\r\nupgrade: websocket\r\n"
    if head.chunked:
        return b"transfer-encoding: chunked\r\n"
    return b"" if head.content_length is None else b"content-length: %d\r\n" % head.content_length


def answer_headers(headers: Headers) -> tuple[bytes, int | None]:
    """What goes on to the client, and the length of the body if it is known."""
    length: int | None = None
    connection: bytes | None = None
    for name, value in headers:
        if name == b"content-length":
            length = int(value)
        elif name == b"connection":
            connection = value
    return _encode(headers, _TO_CLIENT, connection), length


def switch_head(headers: Headers) -> bytes:
    """A 101 for the client."""
    kept = _encode(headers, _TO_CLIENT, None)
    return b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n%b\r\n" % kept
