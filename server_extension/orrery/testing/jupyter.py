"""A real JupyterLab server in tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from orrery.testing.processes import free_port, running
from orrery.testing.waiting import wait_until


@dataclass(frozen=True)
class Jupyter:
    url: str
    token: str
    process: subprocess.Popen[bytes]

    @property
    def orrery(self) -> str:
        """Where the platform is behind this server, without a trailing slash."""
        return f"{self.url}/orrery"

    def client(self, timeout: float = 30.0) -> httpx.Client:
        """A client that is logged in by Jupyter's token."""
        headers = {"Authorization": f"token {self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=False)

    def browser(self) -> httpx.Client:
        """A client with a browser's cookies, logged in."""
        browser = httpx.Client(base_url=self.url, follow_redirects=True, timeout=30, trust_env=False)
        browser.get("/lab", params={"token": self.token}).raise_for_status()
        return browser

    def status(self) -> dict[str, object]:
        with self.client() as client:
            return client.get("/orrery-extension/status").json()


@contextmanager
def jupyter_lab(
    home: Path, folder: Path, *, environment: Mapping[str, str] | None = None, command: list[str] | None = None
) -> Generator[Jupyter]:
    """`jupyter lab --no-browser` in `folder` over the `$ORRERY_HOME` `home`; `command` starts another platform."""
    port, token = free_port(), "jupyter-token"
    config = folder / "config"
    config.mkdir(parents=True, exist_ok=True)
    chosen = {
        "IdentityProvider": {"token": token},
        "OrreryExtension": {"command": command or []},
        # tests run JupyterLab's commands as a menu would
        "LabApp": {"expose_app_in_browser": True},
    }
    (config / "jupyter_server_config.json").write_text(json.dumps(chosen))
    settings = {
        "HOME": str(folder),
        "ORRERY_HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        **(environment or {}),
    }
    words = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"),
    ]
    url = f"http://127.0.0.1:{port}"
    with running(words, log=folder / "jupyter.log", environment=settings, folder=folder) as process:
        wait_until(lambda: answers(f"{url}/api"), what=f"Jupyter at {url} answers", process=process, seconds=60)
        yield Jupyter(url=url, token=token, process=process)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False
