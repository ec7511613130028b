"""Keeping the gateway process up: it is found again after a restart, and replaced when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from orrery._version import __version__
from orrery.controllers.routing import Router
from orrery.domain.records import Json
from orrery.errors import Unavailable

log = logging.getLogger(__name__)

START_SECONDS: Final = 20.0
CHECK_SECONDS: Final = 2.0


class GatewaySupervisor:
    """One gateway on `host:port` (0: a free one, kept over restarts)."""

    def __init__(self, home: Path, router: Router, *, host: str, port: int, base_path: str) -> None:
        self.home = home
        self.router = router
        self.host = host
        self.port = port
        self.base_path = base_path
        self._process: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None

    @property
    def _record(self) -> Path:
        return self.home / "gateway" / "gateway.json"

    def start(self) -> int:
        """Adopt the one that serves already, or start one; the port. Raises: Unavailable with its last words."""
        asked = {"host": self.host, "base_path": self.base_path, "version": __version__}
        status = self.router.ask("/status")
        known = self._read_record()
        if status is not None and known is not None and known["asked"] == asked:
            pid, port = int(status["pid"]), int(status["port"])
            if self.port in (0, port):
                self._pid, self.port = pid, port
                return port
        if status is not None:
            self._end(int(status["pid"]))
        if self.port == 0 and known is not None and _is_free(self.host, int(known["port"])):
            self.port = int(known["port"])
        self._spawn()
        self._record.write_text(json.dumps({"asked": asked, "port": self.port}))
        return self.port

    def _read_record(self) -> Json | None:
        try:
            return json.loads(self._record.read_bytes())
        except (OSError, ValueError):
            return None

    def _spawn(self) -> None:
        port_file = self.home / "gateway" / "port"
        port_file.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "orrery.gateway", "--home", str(self.home), "--host", self.host]
        argv += ["--port", str(self.port), "--port-file", str(port_file)]
        argv += ["--base-path", self.base_path] if self.base_path else []
        log_path = self.home / "logs" / "gateway.log"
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as output:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self._pid = self._process.pid
        deadline = time.monotonic() + START_SECONDS
        while self.router.ask("/status") is None or not port_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                words = log_path.read_text(errors="replace")[-600:].strip()
                raise Unavailable(f"the gateway did not start on {self.host}:{self.port}: {words}")
            time.sleep(0.02)
        self.port = int(port_file.read_text())

    def is_alive(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        if self._pid is None:
            return False
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return False
        return True

    async def keep(self) -> None:
        """Start it again whenever it has died."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            if self.is_alive():
                continue
            log.error("the gateway died; starting it again", extra={"action": "gateway_died"})
            try:
                await asyncio.to_thread(self._spawn)
            except Unavailable as error:
                log.error("%s", error.message, extra={"action": "gateway_failed"})

    def stop(self) -> None:
        if self._pid is not None and self.is_alive():
            self._end(self._pid)

    def _end(self, pid: int) -> None:
        """Ask it to drain and wait until it has gone; kill it if it does not."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline:
                if self._process is not None and self._process.pid == pid:
                    if self._process.poll() is not None:
                        return
                else:
                    os.kill(pid, 0)
                time.sleep(0.02)
            os.kill(pid, signal.SIGKILL)


def _is_free(host: str, port: int) -> bool:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
