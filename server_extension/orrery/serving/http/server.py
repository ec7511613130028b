"""Listening, the clock that ends slow connections, and the graceful stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
from pathlib import Path

from orrery.serving.http.connection import ServerConnection
from orrery.serving.http.exchange import Application
from orrery.serving.http.limits import Limits


class Server:
    """Serves one application on any number of sockets. Use: `listen_*`, then `await run()`."""

    def __init__(self, application: Application, limits: Limits | None = None, sweep_seconds: float = 0.5) -> None:
        self.application = application
        self.limits = limits or Limits()
        self.loop = asyncio.get_running_loop()
        #: coarse loop time, refreshed by each sweep; deadlines are compared with it
        self.now = self.loop.time()
        self.connections: set[ServerConnection] = set()
        self._listeners: list[asyncio.Server] = []
        self._sockets: list[tuple[Path, int]] = []
        self._sweep_seconds = sweep_seconds
        self._stop = asyncio.Event()
        self._emptied: asyncio.Event | None = None
        self._sweeper = self.loop.call_later(sweep_seconds, self._sweep)

    def connection(self) -> ServerConnection:
        return ServerConnection(self)

    def forget(self, connection: ServerConnection) -> None:
        self.connections.discard(connection)
        if self._emptied is not None and not self.connections:
            self._emptied.set()

    async def listen_tcp(self, host: str, port: int, *, reuse_port: bool = False) -> int:
        """Listen and return the port taken (`port` 0: any free one)."""
        listener = await self.loop.create_server(
            self.connection, host, port, reuse_port=reuse_port or None, backlog=1024, start_serving=True
        )
        self._listeners.append(listener)
        taken: int = listener.sockets[0].getsockname()[1]
        return taken

    async def listen_unix(self, path: Path) -> None:
        """Listen on a socket file of mode 0600, taking the place of a stale one."""
        sock = _bind_unix(path)
        self._sockets.append((path, os.stat(path).st_ino))
        self._listeners.append(await self.loop.create_unix_server(self.connection, sock=sock, backlog=1024))

    def stop_on_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self.stop)

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        """Serve until `stop`, then drain."""
        await self._stop.wait()
        await self.drain()

    async def drain(self) -> None:
        """Stop accepting, answer what has begun, close; cut what is left after `drain_seconds`."""
        for listener in self._listeners:
            listener.close()
        for path, inode in self._sockets:
            with contextlib.suppress(FileNotFoundError):
                if os.stat(path).st_ino == inode:
                    os.unlink(path)
        for connection in list(self.connections):
            connection.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.limits.drain_seconds):
                if self.connections:
                    self._emptied = asyncio.Event()
                    await self._emptied.wait()
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)
        self._sweeper.cancel()

    def _sweep(self) -> None:
        self.now = self.loop.time()
        for connection in list(self.connections):
            connection.sweep(self.now)
        self._sweeper = self.loop.call_later(self._sweep_seconds, self._sweep)


def _bind_unix(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(f"{path} is there and is no socket; remove it or choose another path")
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)
    try:
        sock.bind(str(path))
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
    return sock
