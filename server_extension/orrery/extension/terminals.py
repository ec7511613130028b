"""Terminals of a notebook know its environments: a file of ours is read after all that a login shell reads.

bash and sh are served; another shell starts as it always did, with the variables of the data volume alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from jupyter_server.serverapp import ServerApp

STARTUP: Final = str(Path(__file__).parent / "shell" / "terminal.sh")
LIKE_SH: Final = ("sh", "dash", "ash")


def make_shell(command: list[str]) -> tuple[list[str], dict[str, str]]:
    """How a shell is started instead, and what is added to its environment; unchanged where it is an unknown one."""
    name = Path(command[0]).name
    if name == "bash":
        return [command[0], "--rcfile", STARTUP], {}
    if name in LIKE_SH:
        return [command[0]], {"ENV": STARTUP}
    return command, {}


def add_environments_to_terminals(server: ServerApp) -> None:
    """Does nothing without a data volume, without terminals, or where somebody chose a shell in the settings."""
    manager: Any = server.web_app.settings.get("terminal_manager")
    chosen: dict[str, Any] = server.terminado_settings
    if "ORRERY_DATA_DIR" not in os.environ or manager is None or "shell_command" in chosen:
        return
    command, variables = make_shell(list(manager.shell_command))
    manager.shell_command = command
    manager.extra_env = {**(manager.extra_env or {}), **variables}
