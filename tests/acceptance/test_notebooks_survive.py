"""What people build in a notebook outlives whatever dies: its scripts, environments and files, under kill -9."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx

from orrery.testing.processes import free_port
from orrery.testing.waiting import wait_until

KILLS = 10
AT_ONCE = 30
DOWN = {"STOPPED", "CREATE_FAILED", "START_FAILED", "REBOOT_FAILED", "STOP_FAILED"}


class Site:
    """A hub that is killed and started again over the same home and port, and one user of it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / "hub.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "ORRERY_HOME": str(self.home),
            "ORRERY_ADMIN": "boss",
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "orrery_hub"],
                env=environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self.answers, what="hub and platform answer", process=self._process, seconds=120)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/services/orrery/healthz", trust_env=False).is_success
        except httpx.HTTPError:
            return False
