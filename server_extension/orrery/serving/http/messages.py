"""What one HTTP message is: a request's head, an answer's head, an error.

Header names are lower-case bytes everywhere; nothing here does I/O.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

import orjson

#: Everything else is answered 501: a method that a proxy does not know is a method whose framing it may misread.
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

#: Meaningful for one connection only (RFC 9110, 7.6.1); never forwarded.
HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

STATUS_LINES: Final = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}


class HttpError(Exception):
    """A refusal: HTTP status, stable code, and a message that names the value and the remedy."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: dict[str, object] | None = None,
        headers: bytes = b"",
        close: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details: dict[str, object] = details or {}
        #: encoded lines, each ending in CRLF
        self.headers = headers
        #: the connection cannot be used again
        self.close = close


def error_body(error: HttpError, *, oip: bool = False) -> bytes:
    """The one JSON shape; for `/v2` paths the Open Inference Protocol's own, which its clients parse."""
    if oip:
        return orjson.dumps({"error": error.message})
    return orjson.dumps(
        {"error": {"code": error.code, "message": error.message, "details": error.details}}, default=str
    )


class Head:
    """A request's head, already checked for ambiguity."""

    __slots__ = (
        "chunked",
        "content_length",
        "expects_continue",
        "headers",
        "host",
        "keep_alive",
        "method",
        "path",
        "query",
        "target",
        "upgrade",
        "version",
    )

    def __init__(self, method: str, target: bytes, version: str, headers: list[tuple[bytes, bytes]]) -> None:
        self.method = method
        self.version = version
        self.headers = headers
        self.content_length: int | None = None
        self.chunked = False
        self.expects_continue = False
        self.keep_alive = False
        #: the protocol asked for, lower-case (`websocket`)
        self.upgrade: bytes | None = None
        self.host: bytes | None = None
        #: origin form, as sent: `/path?query`
        self.target = target
        #: percent-encoded, as sent
        self.path = b""
        self.query = b""
        if version not in ("1.1", "1.0"):
            raise HttpError(505, "http_version", f"HTTP/{version} is not spoken here; use HTTP/1.1", close=True)
        if method not in METHODS:
            raise HttpError(
                501,
                "method",
                f"method {method} is not implemented; use one of {', '.join(sorted(METHODS))}",
                close=True,
            )
        self._read_target()
        self._read_headers()

    def _read_target(self) -> None:
        target = self.target
        if not target.startswith(b"/"):
            scheme, separator, rest = target.partition(b"://")
            if not separator or scheme.lower() not in (b"http", b"https"):
                raise bad_request(f"request target {target[:80].decode('latin-1')!r} is not a path; begin it with '/'")
            slash = rest.find(b"/")
            self.target = target = rest[slash:] if slash >= 0 else b"/"
        if b"#" in target:
            raise bad_request("the request target holds '#'; a fragment is never sent, encode it as %23")
        self.path, _, self.query = target.partition(b"?")

    def _read_headers(self) -> None:
        for name, value in self.headers:
            if name == b"content-length":
                # llhttp has refused duplicates, signs, lists and anything beside digits
                self.content_length = int(value)
            elif name == b"transfer-encoding":
                if self.version == "1.0":
                    raise bad_request("HTTP/1.0 has no Transfer-Encoding; send Content-Length")
                if value.strip().lower() != b"chunked":
                    shown = value[:40].decode("latin-1")
                    raise HttpError(
                        501,
                        "transfer_encoding",
                        f"Transfer-Encoding {shown!r} is not implemented; use chunked",
                        close=True,
                    )
                self.chunked = True
            elif name == b"host":
                if self.host is not None:
                    raise bad_request("two Host headers; send one")
                self.host = value
            elif name == b"expect":
                if value.lower() != b"100-continue":
                    raise HttpError(417, "expectation", "only Expect: 100-continue is understood", close=True)
                self.expects_continue = self.version == "1.1"
            elif name == b"upgrade":
                self.upgrade = value.strip().lower()
        if self.host is None and self.version == "1.1":
            raise bad_request("HTTP/1.1 asks for a Host header; add one")

    def get(self, name: bytes) -> bytes | None:
        """The first value of `name` (lower-case)."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def decoded_path(self) -> str:
        return unquote(self.path.decode("latin-1"))


def bad_request(message: str) -> HttpError:
    return HttpError(400, "bad_request", message, close=True)


class _Date:
    line = b""
    second = 0


def date_line() -> bytes:
    """`date: ...` with CRLF, made once a second."""
    now = int(time.time())
    if now != _Date.second:
        _Date.second = now
        _Date.line = f"date: {formatdate(now, usegmt=True)}\r\n".encode()
    return _Date.line


def status_line(status: int) -> bytes:
    return STATUS_LINES.get(status) or f"HTTP/1.1 {status} Unknown\r\n".encode()
