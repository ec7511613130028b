"""MLflow's server as a child: started at its first use, stopped when nobody has used it for a while.

It is no job: it holds no state outside its database and the artifacts, so it ends with the platform.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx

from orrery.errors import Unavailable
from orrery.tracking.worker import SETTINGS_VARIABLE, WorkerSettings

log = logging.getLogger(__name__)

#: of a unix socket's address on Linux, less its end
_LONGEST_SOCKET = 100
_STOP_SECONDS = 10.0


class ServerPhase(StrEnum):
    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"


@dataclass(frozen=True)
class ServerSettings:
    #: `$ORRERY_HOME/mlflow`: database, artifacts, socket, log
    home: Path
    #: of the object store, for `ObjectStore.from_url`
    objects_url: str
    #: None: SQLite in `home`. On PostgreSQL MLflow has a schema `mlflow` of its own
    database_url: str | None = None
    #: stopped after so long without a request
    idle_seconds: float = 15 * 60
    #: the first start of all makes the database
    start_timeout_seconds: float = 180

    @property
    def artifacts(self) -> Path:
        return self.home / "artifacts"


class TrackingServer:
    """Used from one event loop."""

    def __init__(self, settings: ServerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.phase = ServerPhase.STOPPED
        #: how often it was started
        self.starts = 0
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[None] | None = None
        self._change = asyncio.Lock()
        self._users = 0
        self._used_at = clock()
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._socket = _choose_socket(settings.home)
        #: speaks to the server alone; for requests inside `use()`
        self.client = httpx.AsyncClient(
            base_url="http://localhost",
            transport=httpx.AsyncHTTPTransport(uds=str(self._socket), limits=httpx.Limits(max_connections=64)),
            timeout=httpx.Timeout(600, connect=10),
            trust_env=False,
        )

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def begin_start(self) -> asyncio.Task[None]:
        """Start it unless it runs; the task ends when it answers. Raises (the task): `Unavailable`."""
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start())
        return self._starting

    @asynccontextmanager
    async def use(self, keeps_awake: bool = True) -> AsyncGenerator[httpx.AsyncClient]:
        """A running server for the length of the block, however long; idle time counts from its end.

        Not so with `keeps_awake=False`, for the platform's own errands. Raises: `Unavailable` when it cannot start.
        """
        self._users += 1
        try:
            if not self.is_running():
                await asyncio.shield(self.begin_start())
            yield self.client
        finally:
            self._users -= 1
            if keeps_awake:
                self._used_at = self._clock()

    def is_running(self) -> bool:
        if self.phase is ServerPhase.RUNNING and (self._process is None or self._process.returncode is not None):
            log.warning("MLflow's server ended by itself", extra={"action": "mlflow_ended"})
            self.phase = ServerPhase.STOPPED
        return self.phase is ServerPhase.RUNNING

    async def check_idle(self) -> bool:
        """Stop it when it has been idle for long enough; whether it did."""
        if not self.is_running() or self._users or self._clock() - self._used_at < self.settings.idle_seconds:
            return False
        await self.stop()
        return True

    async def close(self) -> None:
        """Stop it for good."""
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait([self._starting])
        await self.stop()
        await self.client.aclose()

    async def stop(self) -> None:
        """End the process, politely first."""
        async with self._change:
            await self._end_process()
            if self.phase is not ServerPhase.STOPPED:
                log.info("MLflow's server stopped", extra={"action": "mlflow_stopped"})
            self.phase = ServerPhase.STOPPED

    async def _start(self) -> None:
        async with self._change:
            if self.is_running():
                return
            self.phase = ServerPhase.STARTING
            begun = time.monotonic()
            try:
                await self._start_process()
                await self._await_ready(begun + self.settings.start_timeout_seconds)
            except BaseException:
                await self._end_process()
                self.phase = ServerPhase.STOPPED
                raise
            self.phase = ServerPhase.RUNNING
            self.starts += 1
            self._used_at = self._clock()
            seconds = time.monotonic() - begun
            log.info("MLflow's server is ready after %.1f s", seconds, extra={"action": "mlflow_started"})

    async def _start_process(self) -> None:
        self._socket.unlink(missing_ok=True)
        home = self.settings.home
        worker = WorkerSettings(
            socket=str(self._socket),
            database_url=self.settings.database_url or f"sqlite:///{home / 'mlflow.db'}",
            artifacts=str(self.settings.artifacts),
            objects_url=self.settings.objects_url,
            staging=str(home / "staging"),
        )
        with (home / "server.log").open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "orrery.tracking.worker"),
                env={**os.environ, SETTINGS_VARIABLE: worker.to_json()},
                cwd=home,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def _await_ready(self, deadline: float) -> None:
        process = self._process
        assert process is not None
        while time.monotonic() < deadline:
            if process.returncode is not None:
                raise Unavailable(
                    f"MLflow's server ended with status {process.returncode} at its start: {self._last_words()}"
                )
            try:
                if (await self.client.get("/health", timeout=5)).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
        raise Unavailable(
            f"MLflow's server did not answer within {self.settings.start_timeout_seconds:.0f} s; try again"
        )

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    def _last_words(self) -> str:
        lines = (self.settings.home / "server.log").read_text(errors="replace").strip().splitlines()
        return lines[-1][:500] if lines else "it said nothing"


def _choose_socket(home: Path) -> Path:
    """In `home` where the path is short enough for a socket's address, else in a private temporary folder."""
    inside = home / "server.sock"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET:
        return inside
    return Path(tempfile.mkdtemp(prefix="orrery-mlflow-")) / "server.sock"
