"""`python -m orrery_hub`: checks what a hub needs, says where it will be, and becomes JupyterHub."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from orrery_hub.settings import HubSettings, InvalidSetting, is_free


def find_configuration() -> Path:
    """The checkout's own `jupyterhub_config.py`, else the one in the current folder."""
    own = Path(__file__).parents[2] / "jupyterhub_config.py"
    return own if own.exists() else Path("jupyterhub_config.py")


def welcome(settings: HubSettings) -> str:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host
    names = " or ".join(sorted(settings.admins))
    lines = [
        f"Orrery starts at http://{host}:{settings.port} and keeps its data in {settings.home}",
        f"Sign up there; whoever signs up as {names} administers (ORRERY_ADMIN names somebody else). Ctrl-C ends it.",
    ]
    if settings.is_exposed:
        lines.append(
            f"HOST={settings.host} lets other machines in, and anybody who reaches it may sign up and run code here. "
            f"Sign up as {names} first."
        )
    return "\n".join(lines)


def main() -> None:
    try:
        settings = HubSettings.from_environment()
    except InvalidSetting as error:
        sys.exit(str(error))
    if not is_free(settings.port, settings.host):
        sys.exit(
            f"port {settings.port} of {settings.host} is in use; choose another: make run PORT={settings.port + 1}"
        )
    print(welcome(settings), flush=True)
    words = [sys.executable, "-m", "orrery_hub.hub", "--config", str(find_configuration()), *sys.argv[1:]]
    os.execv(sys.executable, words)


if __name__ == "__main__":
    main()
