"""HTTP to hosts that users name: at judged addresses, within one time, no redirect followed by itself."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Generator, Mapping
from typing import Any, Final

import httpx

from orrery._version import __version__
from orrery.controllers.hosts import Hosts

REDIRECTS: Final = (301, 302, 303, 307, 308)
MAX_REDIRECTS: Final = 5
_SILENT_SECONDS: Final = 20.0


class TimeIsUp(Exception):
    """All that was asked took longer than it may in all."""


class BoundedHttp:
    """Requests that share one time. Not thread-safe but for `hang_up`; use as a context manager."""

    def __init__(self, hosts: Hosts, seconds: float) -> None:
        self._hosts = hosts
        self._deadline = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        # a timeout of reading begins anew with every byte; this one does not
        self._watch = threading.Timer(seconds, self.hang_up)
        self._watch.daemon = True
        self._client = httpx.Client(
            follow_redirects=False,
            trust_env=False,
            verify=httpx.create_ssl_context(),
            headers={"User-Agent": f"orrery/{__version__}", "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> BoundedHttp:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.cancel()
        self._client.close()

    def hang_up(self) -> None:
        """Cut every connection, from any thread."""
        for connection in list(self._sockets):
            # closed already, or taken over by TLS
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def left(self) -> float:
        """Seconds. Raises: TimeIsUp."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeIsUp
        return left

    @contextlib.contextmanager
    def get(self, url: httpx.URL, headers: Mapping[str, str]) -> Generator[httpx.Response]:
        """The answer, its content not yet read.

        Raises: HostRefused, TimeIsUp, httpx.TransportError, httpx.InvalidURL, OSError.
        """
        way = self._hosts.way_to(url)
        request = self._client.build_request(
            "GET",
            way.url,
            headers={**headers, **way.headers},
            extensions={**way.extensions, "trace": self._trace},
            timeout=min(self.left(), _SILENT_SECONDS),
        )
        answer = self._client.send(request, stream=True)
        try:
            yield answer
        finally:
            answer.close()

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._sockets.append(info["return_value"].get_extra_info("socket"))
