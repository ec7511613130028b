"""The shared platform behind a JupyterHub, spoken to with the user's own server token."""

from __future__ import annotations

from dataclasses import dataclass, field

from orrery.extension.forwarding import Upstream


@dataclass(frozen=True)
class HubPlatform:
    """`url` as the spawner gave it in `ORRERY_URL`; `token` is this server's own (`JUPYTERHUB_API_TOKEN`)."""

    url: str
    token: str = field(repr=False)

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
