"""The shared platform behind a JupyterHub, spoken to with the user's own server token."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from orrery.extension.forwarding import Upstream

#: where browsers reach the platform; the client reads it
PUBLIC_URL: Final = "ORRERY_PUBLIC_URL"


@dataclass(frozen=True)
class HubPlatform:
    """`url` as the spawner gave it in `ORRERY_URL`; `token` is this server's own (`JUPYTERHUB_API_TOKEN`)."""

    url: str
    token: str = field(repr=False)

    def __post_init__(self) -> None:
        if hub := os.environ.get("JUPYTERHUB_PUBLIC_HUB_URL"):
            self._set_public(hub)

    def seen_from(self, page: str) -> None:
        """A browser's page at this address asked: the hub is there for people, and programs in kernels may say so."""
        if PUBLIC_URL not in os.environ:
            self._set_public(page)

    def _set_public(self, page: str) -> None:
        parts = urlsplit(page)
        # kernels and terminals take their environment from here
        os.environ[PUBLIC_URL] = f"{parts.scheme}://{parts.netloc}{urlsplit(self.url).path.rstrip('/')}"

    def start(self) -> None:
        """Nothing to start: the hub does."""

    async def stop(self) -> None:
        """Nothing to stop: the hub does."""

    async def upstream(self) -> Upstream:
        return Upstream(self.url.rstrip("/"), self.token)

    def report_failure(self) -> None:
        """Nothing to look for: there is one address."""

    def status(self) -> dict[str, object]:
        return {"mode": "hub", "state": "running", "message": "", "url": self.url, "version": None}
