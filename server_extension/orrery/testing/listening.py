"""An application of the HTTP layer served by a thread, for tests that need its inside."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import uvloop

from orrery.serving.http import Application, Limits, Server


class Listening:
    """A server on a free port of 127.0.0.1, or on a unix socket. Use as a context manager."""

    def __init__(
        self,
        make: Callable[[], Application],
        limits: Limits | None = None,
        *,
        socket: Path | None = None,
        sweep_seconds: float = 0.02,
    ) -> None:
        self._make = make
        self._limits = limits or Limits()
        self._socket = socket
        self._sweep_seconds = sweep_seconds
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listening", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.port = 0
        self.server: Server | None = None

    def __enter__(self) -> Listening:
        self._thread.start()
        if not self._ready.wait(20):
            raise TimeoutError("the server did not begin to listen")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(30)

    def stop(self) -> None:
        """Begin to drain, as SIGTERM does."""
        if self._loop is not None and self.server is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it may end, and close its loop, while this asks
                self._loop.call_soon_threadsafe(self.server.stop)

    def call(self, function: Callable[[], None]) -> None:
        """Run something on the server's loop."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(function)

    @property
    def address(self) -> str | int:
        return self.port if self._socket is None else str(self._socket)

    def _run(self) -> None:
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.server = Server(self._make(), self._limits, self._sweep_seconds)
        if self._socket is None:
            self.port = await self.server.listen_tcp("127.0.0.1", 0)
        else:
            await self.server.listen_unix(self._socket)
        self._ready.set()
        await self.server.run()
