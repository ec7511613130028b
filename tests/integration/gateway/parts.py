"""A gateway as a process with a platform and replicas for it to speak to."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jwt
import orjson

from orrery.gateway.routes import Deployment, Platform, Replica, Route, Routes, write_routes
from orrery.serving.http import Exchange, HttpError, RawPeer
from orrery.testing.http import Process, call
from orrery.testing.waiting import wait_until

KEY = "a-secret-of-some-length-for-tests-only"
PREDICT = "/endpoints/alice/m/v1/models/m:predict"
ROWS = {"instances": [[2, 1]]}


class Platform_:
    """A platform in this process: whoami, an event stream, uploads, a WebSocket, and an echo of what it got."""

    def __init__(self) -> None:
        self.uploaded = 0
        self.largest_piece = 0
        self.events: list[Exchange] = []
        self.release = threading.Event()
        self.stalled: list[Exchange] = []
        self.held_back = False
        self.loop: asyncio.AbstractEventLoop | None = None

    def on_request(self, exchange: Exchange) -> None:
        self.loop = asyncio.get_running_loop()
        head, path = exchange.head, exchange.head.path.decode()
        path = path.removeprefix("/services/orrery")
        if path == "/api/v1/auth/whoami":
            self._whoami(exchange)
        elif path == "/events":
            exchange.start(200, b"content-type: text/event-stream\r\n", None)
            exchange.write(b"data: first\n\n")
            self.events.append(exchange)
        elif path == "/upload":
            exchange.receive(_Count(self, exchange))
        elif path == "/stall":
            self.stalled.append(exchange)
        elif path == "/download":
            exchange.start(200, b"content-type: application/octet-stream\r\n", 64 << 20)
            exchange.write(b"x" * (64 << 20))
            self.held_back = not exchange.writable
            exchange.end()
        elif head.upgrade == b"websocket":
            self._websocket(exchange)
        else:
            document = {
                "method": head.method,
                "target": head.target.decode(),
                "headers": {name.decode(): value.decode("latin-1") for name, value in head.headers},
            }
            exchange.collect(
                1 << 20, lambda body: exchange.respond(200, orjson.dumps(document | {"body": body.decode()}))
            )

    def _whoami(self, exchange: Exchange) -> None:
        if exchange.head.get(b"authorization") != b"Bearer opaque-carol":
            raise HttpError(401, "unauthenticated", "no")
        exchange.respond(200, orjson.dumps({"name": "carol", "groups": ["team"], "admin": False}))

    def _websocket(self, exchange: Exchange) -> None:
        key = exchange.head.get(b"sec-websocket-key") or b""
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += b"Sec-WebSocket-Accept: %b\r\n\r\n"
        connection = exchange.upgrade(head % accept + b"hello")
        connection.take_over(_Mirror(connection))


class _Count:
    def __init__(self, platform: Platform_, exchange: Exchange) -> None:
        self._platform, self._exchange = platform, exchange

    def on_data(self, data: bytes) -> None:
        self._platform.uploaded += len(data)
        self._platform.largest_piece = max(self._platform.largest_piece, len(data))

    def on_end(self) -> None:
        self._exchange.respond(200, orjson.dumps({"received": self._exchange.received_bytes}))


class _Mirror(RawPeer):
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def on_raw(self, data: bytes) -> None:
        self._connection.write(data.upper())


@dataclass
class World:
    """A gateway, a platform, and as many replicas as asked for."""

    folder: Path
    base_path: str = ""
    arguments: list[str] = field(default_factory=list[str])
    routes: Routes = field(default_factory=lambda: Routes(0))
    gateway: Process | None = None
    replicas: dict[str, Process] = field(default_factory=dict[str, Process])
    port: int = 0
    platform: Platform_ = field(default_factory=Platform_)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def platform_socket(self) -> Path:
        return self.home / "run" / "platform.sock"

    @property
    def control(self) -> str:
        return str(self.home / "gateway" / "control.sock")

    def start(self) -> None:
        (self.home / "secrets").mkdir(parents=True, exist_ok=True)
        (self.home / "secrets" / "jwt.key").write_text(KEY)
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        argv = ["-m", "orrery.gateway", "--home", str(self.home), "--port-file", str(port_file), *self.arguments]
        if self.base_path:
            argv += ["--base-path", self.base_path]
        self.gateway = Process(argv, log=self.folder / "gateway.log").start()
        wait_until(port_file.exists, what="the gateway's port")
        self.port = int(port_file.read_text())

    def stop(self) -> None:
        for process in [*self.replicas.values(), *([self.gateway] if self.gateway else [])]:
            process.stop()

    def replica(self, name: str, package: Path) -> Replica:
        socket_path = self.folder / f"{name}.sock"
        argv = ["-m", "orrery.testing.linear", "--model", f"m={package}", "--socket", str(socket_path)]
        self.replicas[name] = Process(argv, log=self.folder / f"{name}.log").start().wait_ready(str(socket_path))
        return Replica(name, f"unix:{socket_path}")

    def publish(self, *routes: Route) -> None:
        """Write the routes and wait until the gateway follows them."""
        self.routes = Routes(self.routes.revision + 1, Platform(f"unix:{self.platform_socket}"), routes)
        write_routes(self.home / "gateway" / "routes.json", self.routes)
        if self.gateway is not None:
            wait_until(lambda: self.status()["revision"] == self.routes.revision, what="the new revision")

    def status(self) -> dict[str, Any]:
        return call(self.control, "GET", "/status").json

    def stats(self) -> dict[str, Any]:
        return call(self.control, "GET", "/stats").json["endpoints"]  # type: ignore[return-value]

    def log(self) -> str:
        return (self.folder / "gateway.log").read_text()


def one(deployments: list[Deployment], **changes: Any) -> Route:
    return replace(Route("ep", "alice", "m", "public", deployments=tuple(deployments)), **changes)


def token(name: str, seconds: float = 24 * 3600, **claims: Any) -> str:
    return "Bearer " + jwt.encode({"sub": name, "exp": time.time() + seconds, **claims}, KEY, "HS256")


def resident_bytes(process: Process) -> int:
    assert process.popen is not None
    for line in Path(f"/proc/{process.popen.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")
