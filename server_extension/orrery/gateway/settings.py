"""What one gateway process is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """One gateway process."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 0
    #: begins with a slash and does not end with one; empty without a hub
    base_path: str = ""
    routes_file: Path | None = None
    #: names the control socket and the statistics file when several gateways share one port
    instance: str = ""
    reuse_port: bool = False
    #: believe `X-Forwarded-*` of any peer, not only of one on this machine
    trust_proxy: bool = False
    #: how long a request waits for a replica to be ready
    wait_seconds: float = 5.0
    #: request bodies held at once, over all requests
    body_budget_bytes: int = 256 << 20
    drain_seconds: float = 25.0

    @property
    def folder(self) -> Path:
        return self.home / "gateway"

    @property
    def routes_path(self) -> Path:
        return self.routes_file or self.folder / "routes.json"

    @property
    def control_socket(self) -> Path:
        return self.folder / (f"control-{self.instance}.sock" if self.instance else "control.sock")

    @property
    def stats_file(self) -> Path:
        return self.folder / (f"stats-{self.instance}.json" if self.instance else "stats.json")
