"""Starting and stopping a platform on this machine: the one place in the client that imports the server's code."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

from orrery.client.discovery import orrery_home
from orrery.errors import Invalid


def _server() -> ModuleType:
    """Raises: Invalid where only the client is installed."""
    try:
        return importlib.import_module("orrery.api.up")
    except ModuleNotFoundError as error:
        raise Invalid(
            f"the platform is not installed here ({error.name} is missing); "
            "install it: pip install 'orrery[server,tabular]'"
        ) from error


def serve(*, port: int | None, home: Path | None, hub: bool, keep_serving: bool) -> int:
    """Serve until a signal. Answers the exit code."""
    given: dict[str, Any] = {"home": orrery_home(home), "hub": hub, "keep_serving": keep_serving}
    if port is not None:
        given["port"] = port
    return int(_server().serve(**given) or 0)


def shut_down(home: Path | None) -> int:
    return int(_server().shut_down(orrery_home(home)) or 0)
