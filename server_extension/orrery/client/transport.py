"""One HTTP connection pool to the platform: authentication, errors as exceptions, bounded retries.

What is retried: a refused connection and a 503 always (nothing was done), a connection lost midway only for requests
that may be repeated: reads, writes to one address, and creates, which carry an `Idempotency-Key`.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import httpx

from orrery._version import __version__
from orrery.client.discovery import Platform, read_platform_file
from orrery.client.failures import NoPlatform, PlatformUnreachable, make_error
from orrery.errors import Invalid, NotFound, OrreryError, Unauthenticated, Unavailable
from orrery.plain_json import check_plain

Query = Mapping[str, str | int | float | bool | None]

_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})
_AWAY = frozenset({502, 503, 504})


@dataclass(frozen=True)
class Patience:
    """How long a request is tried again, in seconds: while nothing listens, and while the platform restarts."""

    refused_seconds: float = 5.0
    away_seconds: float = 30.0
    longest_pause_seconds: float = 2.0


def segment(text: str) -> str:
    """`text` as one segment of a path. Raises: Invalid for what is not Unicode."""
    check_plain(text)
    return quote(text, safe="")


class Transport:
    """Thread-safe. `on_retry` is called with the reason before the first pause of each request."""

    def __init__(self, platform: Platform, *, timeout_seconds: float = 60.0, patience: Patience | None = None) -> None:
        self.platform = platform
        self.patience = patience or Patience()
        self.on_retry: Callable[[str], None] | None = None
        self._lock = threading.Lock()
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout_seconds, connect=10.0),
            headers={"User-Agent": f"orrery/{__version__}"},
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=30.0),
            follow_redirects=True,
        )

    def close(self) -> None:
        self._http.close()

    def url(self, path: str) -> str:
        """`path` is an API path such as `/trainings`, or an absolute address on the platform."""
        if path.startswith(("http://", "https://")):
            return path
        return f"{self.platform.api}{path}"

    def json(self, method: str, path: str, *, body: Any = None, query: Query | None = None, **options: Any) -> Any:
        response = self.request(method, path, body=body, query=query, **options)
        return response.json() if response.content else None

    def create(self, path: str, body: Any) -> Any:
        """A POST that may safely be sent twice: the platform answers one key once."""
        return self.json("POST", path, body=body, headers={"Idempotency-Key": secrets.token_hex(16)})

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content: bytes | None = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        patience: Patience | None = None,
        repeatable: bool = False,
    ) -> httpx.Response:
        """`repeatable` says of a POST that doing it twice does no harm.

        Raises: the error of the answer's code, PlatformUnreachable when nothing answers in time, Invalid for what JSON
        cannot hold (nothing is sent)."""
        check_plain(body)
        check_plain(dict(query or {}))
        headers = dict(headers or {})
        repeatable = repeatable or method in _REPEATABLE or "Idempotency-Key" in headers
        attempts = _Attempts(patience or self.patience, self.on_retry)
        lost = False
        while True:
            try:
                response = self._http.request(
                    method,
                    self.url(path),
                    json=body,
                    content=content,
                    params=_params(query),
                    headers={**self._authorization(), **headers},
                )
            except httpx.TransportError as error:
                failure = self._unreachable(error)
                refused = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                lost = lost or not refused
                if not (refused or repeatable) or not attempts.pause(failure.message, refused=refused):
                    raise failure from error
                self._look_again()
                continue
            if response.status_code < 400:
                return response
            failure = make_error(response.status_code, response.content, str(response.url))
            if response.status_code in _AWAY and (repeatable or response.status_code == 503):
                if attempts.pause(failure.message, retry_after=response.headers.get("Retry-After")):
                    continue
            elif isinstance(failure, NotFound) and method == "DELETE" and lost:
                return response  # the one whose answer was lost has done it
            elif isinstance(failure, Unauthenticated) and self._look_again():
                continue
            raise failure

    @contextlib.contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        read_timeout_seconds: float = 60.0,
    ) -> Generator[httpx.Response]:
        """An answer read as it arrives; not retried, for only the reader knows how far it came.

        Raises: as `request`, also while the body is read.
        """
        timeout = httpx.Timeout(read_timeout_seconds, connect=10.0)
        try:
            with self._http.stream(
                method,
                self.url(path),
                params=_params(query),
                headers={**self._authorization(), **(headers or {})},
                timeout=timeout,
            ) as response:
                if response.status_code >= 400:
                    raise make_error(response.status_code, response.read(), str(response.url))
                yield response
        except httpx.TransportError as error:
            self._look_again()
            raise self._unreachable(error) from error

    def _authorization(self) -> dict[str, str]:
        """Raises: Invalid once the client is closed."""
        if self._http.is_closed:
            raise Invalid("this client was closed; make a new one: orrery.Client()")
        return {"Authorization": f"Bearer {self.platform.token}"} if self.platform.token else {}

    def _unreachable(self, error: httpx.TransportError) -> OrreryError:
        reason = str(error) or type(error).__name__
        remedy = "start one with `orrery up`" if self.platform.source else "check the address (ORRERY_URL)"
        return PlatformUnreachable(f"no platform answers at {self.platform.url} ({reason}); {remedy}")

    def _look_again(self) -> bool:
        """Whether the platform has moved: a restart may have brought another port and token."""
        source = self.platform.source
        if source is None:
            return False
        try:
            found = read_platform_file(source)
        except NoPlatform:
            return False
        with self._lock:
            if self.platform.is_token_given:
                found = replace(found, token=self.platform.token, is_token_given=True)
            moved = (found.url, found.token) != (self.platform.url, self.platform.token)
            self.platform = found
        return moved


class _Attempts:
    """The pauses between the attempts of one request; exponential, with jitter, bounded by the patience."""

    def __init__(self, patience: Patience, on_retry: Callable[[str], None] | None) -> None:
        self._patience = patience
        self._on_retry = on_retry
        self._began = time.monotonic()
        self._count = 0

    def pause(self, reason: str, *, refused: bool = False, retry_after: str | None = None) -> bool:
        """Wait before the next attempt; False when patience is at its end."""
        longest = self._patience.refused_seconds if refused else self._patience.away_seconds
        seconds = min(0.1 * 2**self._count, self._patience.longest_pause_seconds) * random.uniform(0.75, 1.25)
        if retry_after and retry_after.isdecimal():
            seconds = min(max(seconds, float(retry_after)), self._patience.longest_pause_seconds)
        if time.monotonic() - self._began + seconds > longest:
            return False
        if self._count == 0 and self._on_retry is not None:
            self._on_retry(reason)
        self._count += 1
        time.sleep(seconds)
        return True


def _params(query: Query | None) -> dict[str, str | int | float] | None:
    if query is None:
        return None
    wanted = {key: value for key, value in query.items() if value is not None and value != ""}
    return {key: int(value) if isinstance(value, bool) else value for key, value in wanted.items()}


def is_away(error: Exception) -> bool:
    """Whether trying again later may help."""
    return isinstance(error, Unavailable)
