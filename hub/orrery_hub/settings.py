"""What can be set without writing Python: read once from the environment."""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_PORT: Final = 8000
#: what the hub, its proxy's API and the platform listen on, on loopback, where these are free
DEFAULT_INNER_PORTS: Final = {"hub": 8081, "proxy": 8001, "platform": 8082}


class InvalidSetting(ValueError):
    """A setting has a value that cannot be used; names both, and the remedy."""


@dataclass(frozen=True)
class HubSettings:
    #: `$ORRERY_HOME`: everything that the hub and the platform keep
    home: Path
    #: the address that browsers reach; `127.0.0.1` keeps it to this machine
    host: str
    port: int
    #: who administers: an account of this name is an administrator from its sign-up on
    admins: frozenset[str]
    #: where the platform answers in place of the one that the hub starts; None: the hub starts it
    platform_url: str | None = None

    @property
    def folder(self) -> Path:
        """The hub's own state."""
        return self.home / "hub"

    @property
    def users(self) -> Path:
        return self.home / "users"

    @property
    def public_url(self) -> str:
        """The hub's proxy as this machine reaches it."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def is_exposed(self) -> bool:
        """Whether other machines reach it."""
        return self.host not in ("127.0.0.1", "::1", "localhost")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> HubSettings:
        """Raises: InvalidSetting."""
        home = Path(environment.get("ORRERY_HOME") or "~/.orrery").expanduser().resolve()
        text = environment.get("PORT") or str(DEFAULT_PORT)
        if not text.isdigit() or not 0 < int(text) < 65536:
            raise InvalidSetting(f"PORT is {text!r}; use a number from 1 to 65535")
        names = environment.get("ORRERY_ADMIN") or default_admin()
        return cls(
            home=home,
            host=environment.get("HOST") or "127.0.0.1",
            port=int(text),
            admins=frozenset(name.strip().lower() for name in names.split(",") if name.strip()),
            platform_url=environment.get("ORRERY_PLATFORM_URL") or None,
        )


def default_admin() -> str:
    """The Unix user who runs the hub, or `admin` where that is root or has no usable name."""
    try:
        name = getpass.getuser().lower()
    except (KeyError, OSError):
        return "admin"
    return "admin" if name == "root" or not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name) else name


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return False
    return True


def choose_inner_ports(folder: Path) -> dict[str, int]:
    """The ports of the last start where they are still free, so that servers which outlived the hub find it again."""
    record = folder / "ports.json"
    try:
        last: dict[str, int] = json.loads(record.read_text())
    except (OSError, ValueError):
        last = {}
    chosen: dict[str, int] = {}
    for name, default in DEFAULT_INNER_PORTS.items():
        wished = [port for port in (last.get(name), default) if port and port not in chosen.values() and is_free(port)]
        chosen[name] = wished[0] if wished else find_free_port(set(chosen.values()))
    record.write_text(json.dumps(chosen))
    return chosen


def find_free_port(taken: set[int]) -> int:
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
        if port not in taken:
            return port
