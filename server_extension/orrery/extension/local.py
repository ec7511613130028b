"""The platform of one person without a hub: found where it runs, else started and kept running.

A platform that somebody started with `orrery up` is used and never stopped. One that a Jupyter server started is shared
by all of that person's Jupyter servers, restarted with back-off by whichever notices first that it is gone, and stopped
by the last of them to end. Where that last one is killed the platform stays, and the next server adopts it. Jobs and
model replicas are not the platform's children: they outlive all of this.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

import httpx

from orrery.errors import Unavailable
from orrery.extension.forwarding import Upstream
from orrery.extension.process import (
    Announcement,
    Lock,
    is_alive,
    last_words,
    log_path,
    read_announcement,
    read_child,
    start_child,
    terminate,
)

CHECK_SECONDS: Final = 5.0
STARTING_CHECK_SECONDS: Final = 0.1
#: a request that comes while the platform starts waits this long for it
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0
FIRST_BACKOFF_SECONDS: Final = 0.5
LAST_BACKOFF_SECONDS: Final = 60.0
#: credentials of the Jupyter server itself, which the platform has no business with, and the mark of what it starts
WITHHELD_VARIABLES: Final = ("JUPYTERHUB_", "JPY_", "JUPYTER_TOKEN", "ORRERY_SERVER_MARK")


class State(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    #: it ended, and is started again after the back-off
    FAILED = "failed"
    STOPPED = "stopped"


def default_home() -> Path:
    return Path(os.environ.get("ORRERY_HOME") or "~/.orrery").expanduser()


def default_command(home: Path) -> list[str]:
    return [sys.executable, "-m", "orrery", "up", "--port", "0", "--home", str(home)]


def backoff_seconds(failures: int) -> float:
    return min(FIRST_BACKOFF_SECONDS * 2 ** max(0, failures - 1), LAST_BACKOFF_SECONDS)


class LocalPlatform:
    """Usage: `start()`, then `await upstream()` at each request, and `await stop()` at the end.

    `may_start`: False only looks for a platform that somebody else runs.
    """

    def __init__(
        self,
        home: Path,
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
        *,
        command: list[str] | None = None,
        may_start: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.home = home
        self.log = log
        self.command = command or default_command(home)
        self.may_start = may_start
        self.clock = clock
        self.state = State.STARTING
        self.reason = "the platform is starting"
        self.found: Announcement | None = None
        self.failures = 0
        self.not_before = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = Lock(home / "run" / "jupyter-start.lock")
        self._using = Lock(home / "run" / "jupyter-users.lock")
        self._wake = asyncio.Event()
        self._changed = asyncio.Condition()
        self._loop: asyncio.Task[None] | None = None
        self._http = httpx.AsyncClient(timeout=5.0, trust_env=False)

    def start(self) -> None:
        self._using.acquire(shared=True)
        self._loop = asyncio.get_running_loop().create_task(self._watch(), name="platform watch")

    async def _watch(self) -> None:
        while True:
            try:
                await self.check_platform()
            except OSError as error:
                self.state, self.reason = State.FAILED, f"cannot use {self.home}: {error}; set ORRERY_HOME"
                self.log.error("%s", self.reason)
            async with self._changed:
                self._changed.notify_all()
            pause = STARTING_CHECK_SECONDS if self.state is State.STARTING else CHECK_SECONDS
            if self.state is State.FAILED:
                pause = max(STARTING_CHECK_SECONDS, min(pause, self.not_before - self.clock()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            self._wake.clear()

    async def check_platform(self) -> None:
        """One turn: is it there, is it starting, does it have to be started?"""
        announced = read_announcement(self.home)
        if announced is not None and await self._answers(announced):
            if self.found != announced:
                self.log.info("Orrery %s at %s", announced.version, announced.url)
            self.found, self.state, self.reason, self.failures = announced, State.RUNNING, "", 0
            self._starting.release()
            return
        self.found = None
        if self._process is not None and self._process.poll() is not None:
            self.failures += 1
            self.not_before = self.clock() + backoff_seconds(self.failures)
            self.state = State.FAILED
            self.reason = (
                f"the platform ended with exit code {self._process.returncode} and will be started again: "
                f"{last_words(self.home)} (all of it in {log_path(self.home)})"
            )
            self.log.warning("%s", self.reason)
            self._process = None
            self._starting.release()
        if read_child(self.home) is not None:
            self.state, self.reason = State.STARTING, f"the platform is starting; its log is {log_path(self.home)}"
        elif not self.may_start:
            self.state = State.STOPPED
            self.reason = f"no platform runs in {self.home}; start one: orrery up"
        elif self.clock() >= self.not_before and self._starting.acquire():
            self.state, self.reason = State.STARTING, "the platform is starting"
            self._process = start_child(self.home, self.command, self._environment())
            self.log.info("starting Orrery (process %d), log in %s", self._process.pid, log_path(self.home))

    async def _answers(self, announced: Announcement) -> bool:
        try:
            answer = await self._http.get(f"{announced.url}/healthz")
        except httpx.HTTPError:
            return False
        return answer.is_success

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(WITHHELD_VARIABLES)}
        return kept | {"ORRERY_HOME": str(self.home)}

    async def upstream(self) -> Upstream:
        """Where it is; waits while it starts. Raises: Unavailable."""
        if self.found is None and self.state is State.RUNNING:
            self._wake.set()
        if self.found is None and self.state is State.STARTING:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_SECONDS), self._changed:
                    await self._changed.wait_for(lambda: self.state is not State.STARTING)
        if self.found is None:
            raise Unavailable(self.reason)
        return Upstream(self.found.url, self.found.token)

    def report_failure(self) -> None:
        """A request did not get through: look at once instead of at the next turn."""
        self._wake.set()

    def seen_from(self, page: str) -> None:
        """Nothing to learn: the platform has a port of its own on this machine."""

    def status(self) -> dict[str, object]:
        return {
            "mode": "local",
            "state": self.state,
            "message": self.reason,
            "url": self.found.url if self.found else None,
            "version": self.found.version if self.found else None,
        }

    async def stop(self) -> None:
        """Lets go of the platform; stops it where a Jupyter server started it and no other one uses it."""
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
        await self._http.aclose()
        self.found, self.state = None, State.STOPPED
        child = read_child(self.home)
        if child is not None and self._using.acquire():
            self.log.info("stopping Orrery (process %d): no other Jupyter server uses it", child.pid)
            terminate(child)
            deadline = time.monotonic() + STOP_SECONDS
            while is_alive(child) and time.monotonic() < deadline:
                if self._process is not None:
                    self._process.poll()
                await asyncio.sleep(0.05)
            if is_alive(child):
                self.log.warning("Orrery (process %d) has not ended after %d s", child.pid, STOP_SECONDS)
        self._starting.release()
        self._using.release()
