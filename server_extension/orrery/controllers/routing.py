"""The platform's side of the gateway: which routes it should follow, and whether it does."""

from __future__ import annotations

import http.client
import json
import logging
import os
import socket
import threading
import time
from pathlib import Path
from typing import Final

from orrery.domain.records import Json

log = logging.getLogger(__name__)

_TIMEOUT_SECONDS: Final = 2.0
#: a gateway that does not answer is given this long before an old replica is ended under it
_PATIENCE_SECONDS: Final = 10.0


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float = _TIMEOUT_SECONDS) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Router:
    """Owns `gateway/routes.json`. Thread-safe."""

    def __init__(self, home: Path, platform_address: str) -> None:
        self.path = home / "gateway" / "routes.json"
        self.control = home / "gateway" / "control.sock"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._platform_address = platform_address
        self._lock = threading.Lock()
        self._published_at: dict[int, float] = {}
        self._taken = 0
        document: Json = json.loads(self.path.read_bytes()) if self.path.exists() else {}
        self._revision = int(document.get("revision", 0))
        self._routes: dict[str, Json] = {route["endpoint_id"]: route for route in document.get("routes", [])}
        self._apps: dict[str, Json] = {app["id"]: app for app in document.get("apps", [])}
        with self._lock:
            self._write()

    def route(self, endpoint_id: str) -> Json | None:
        with self._lock:
            return self._routes.get(endpoint_id)

    def publish(self, endpoint_id: str, route: Json | None) -> int:
        """Set or remove an endpoint's route; returns the revision that holds it."""
        return self._publish(self._routes, endpoint_id, route)

    def publish_app(self, app_id: str, app: Json | None) -> int:
        """Set or remove the address of an app; returns the revision that holds it."""
        return self._publish(self._apps, app_id, app)

    def _publish(self, published: dict[str, Json], key: str, document: Json | None) -> int:
        with self._lock:
            if published.get(key) == document:
                return self._revision
            if document is None:
                del published[key]
            else:
                published[key] = document
            self._write()
            return self._revision

    def app_ids(self) -> list[str]:
        """The apps that the gateway lets visitors to."""
        with self._lock:
            return list(self._apps)

    def forget_others(self, endpoint_ids: set[str]) -> None:
        """Drop the routes of endpoints that are no more."""
        with self._lock:
            gone = self._routes.keys() - endpoint_ids
            for endpoint_id in gone:
                del self._routes[endpoint_id]
            if gone:
                self._write()

    def is_taken(self, revision: int) -> bool:
        """Whether the gateway follows `revision` or a later one. One that does not answer for long counts as gone."""
        if revision <= self._taken:
            return True
        status = self.ask("/status")
        if status is not None:
            self._taken = max(self._taken, int(status.get("revision", 0)))
            return revision <= self._taken
        published = self._published_at.get(revision, 0.0)
        return time.monotonic() - published > _PATIENCE_SECONDS

    def ask(self, path: str) -> Json | None:
        """GET on the gateway's control socket; None when it does not answer."""
        connection = UnixConnection(self.control)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return json.loads(response.read()) if response.status == 200 else None
        except (OSError, ValueError, http.client.HTTPException) as error:
            log.debug("the gateway does not answer: %s", error)
            return None
        finally:
            connection.close()

    def _write(self) -> None:
        self._revision += 1
        document = {
            "revision": self._revision,
            "platform": {"address": self._platform_address},
            "routes": list(self._routes.values()),
            "apps": list(self._apps.values()),
        }
        temporary = self.path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        self._published_at = {self._revision: time.monotonic()}
