"""JupyterHub's REST API, as far as notebooks need it (https://jupyterhub.readthedocs.io/en/stable/reference/rest-api.html)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx

from orrery.errors import Conflict, Invalid, Unavailable

TIMEOUT_SECONDS: Final = 30.0
PROBE_SECONDS: Final = 10.0
PAGE: Final = 200
_PAGED: Final = "application/jupyterhub-pagination+json"


@dataclass(frozen=True)
class Server:
    """A server that is not stopped, as the hub describes it."""

    user: str
    name: str
    #: below the hub's public address, with a trailing slash: `/user/ann/nb/`
    url: str
    ready: bool
    #: spawn, stop, check, or None
    pending: str | None
    last_activity: str | None


class HubClient:
    """Thread-safe. Every method raises `Unavailable` where the hub does not answer, or has no room."""

    def __init__(
        self, api_url: str, api_token: str, public_url: str, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        """`public_url`: the hub's proxy as the platform reaches it, without a path."""
        self.api_url = api_url.rstrip("/")
        self.public_url = public_url.rstrip("/")
        self._http = httpx.Client(
            headers={"Authorization": f"token {api_token}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            transport=transport,
        )
        self._probing = httpx.Client(timeout=PROBE_SECONDS, trust_env=False, transport=transport)

    def close(self) -> None:
        self._http.close()
        self._probing.close()

    def servers(self) -> Iterator[Server]:
        """All servers that are not stopped, of all users."""
        offset: int | None = 0
        while offset is not None:
            query = {"state": "active", "offset": offset, "limit": PAGE}
            answer = self._ask("GET", "/users", params=query, headers={"Accept": _PAGED})
            page: dict[str, Any] = answer.json()
            for user in page["items"]:
                yield from _servers_of(user)
            following = page["_pagination"].get("next")
            offset = int(following["offset"]) if following else None

    def server(self, user: str, name: str) -> Server | None:
        """None where it is stopped, or was never there."""
        answer = self._ask("GET", f"/users/{quote(user, safe='')}", missing=True)
        if answer.status_code == 404:
            return None
        return next((server for server in _servers_of(answer.json()) if server.name == name), None)

    def start(self, user: str, name: str) -> None:
        """Begin to start it; nothing where it runs or starts already. Raises: Invalid, Conflict."""
        answer = self._ask("POST", _path(user, name), missing=True)
        if answer.status_code == 404:
            raise Invalid(f"the hub has no user {user!r}; a notebook belongs to somebody who can log in there")
        if answer.status_code == 400 and "already running" not in _message(answer):
            raise Conflict(f"the hub does not start it: {_message(answer)}")

    def stop(self, user: str, name: str, *, remove: bool = False) -> bool:
        """Begin to stop it; whether it has stopped already. `remove`: the hub forgets it, and its spawner removes what
        it keeps of it."""
        options = {"json": {"remove": True}} if remove else {}
        answer = self._ask("DELETE", _path(user, name), missing=True, **options)
        if answer.status_code == 400:
            raise Conflict(f"the hub does not stop it: {_message(answer)}")
        return answer.status_code in (204, 404)

    def failure(self, user: str, name: str) -> str | None:
        """Why the last start failed, in the spawner's words; None where the hub does not know of one."""
        url = f"{self.api_url}{_path(user, name)}/progress"
        try:
            with self._http.stream("GET", url) as answer:
                if not answer.is_success:
                    return None
                for line in answer.iter_lines():
                    if line.startswith("data:"):
                        event: dict[str, Any] = json.loads(line.removeprefix("data:"))
                        return str(event.get("message", "")) if event.get("failed") else None
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        return None

    def is_answering(self, server: Server) -> bool:
        """Whether the server itself answers, through the hub's proxy."""
        try:
            answer = self._probing.get(f"{self.public_url}{server.url}api")
        except httpx.HTTPError:
            return False
        return answer.is_success and "version" in answer.text

    def _ask(self, method: str, path: str, *, missing: bool = False, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, f"{self.api_url}{path}", **options)
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        if answer.is_success or (missing and answer.status_code in (400, 404)):
            return answer
        raise Unavailable(f"the hub answered {answer.status_code} ({_message(answer)}); it is asked again")

    def _silent(self, error: httpx.HTTPError) -> Unavailable:
        return Unavailable(f"the hub at {self.api_url} does not answer ({error or type(error).__name__})")


def _servers_of(user: dict[str, Any]) -> Iterator[Server]:
    servers: dict[str, dict[str, Any]] = user.get("servers") or {}
    for name, model in servers.items():
        if not model.get("stopped"):
            pending, seen = model.get("pending"), model.get("last_activity")
            yield Server(str(user["name"]), name, str(model["url"]), bool(model.get("ready")), pending, seen)


def _path(user: str, name: str) -> str:
    return f"/users/{quote(user, safe='')}/servers/{quote(name, safe='')}"


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("message", answer.text))[:500]
    except (ValueError, AttributeError):
        return answer.text[:500]
