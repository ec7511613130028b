"""The gateway as a process: who may call, where requests go, and what happens when replicas and the platform die."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest

from orrery.gateway.routes import Deployment, Platform, Replica, Route, RouteLimits, Routes, write_routes
from orrery.serving.http import Exchange, HttpError
from orrery.serving.http.connection import RawPeer
from orrery.testing import linear
from orrery.testing.http import Answer, Process, RawClient, call
from orrery.testing.listening import Listening
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

    def on_request(self, exchange: Exchange) -> None:
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


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "m"
    return linear.save(folder, [{"name": "a"}, {"name": "b"}], [[1, 0], [0, 1]], [0, 0], ["x", "y"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    with Listening(lambda: world.platform, socket=world.platform_socket, sweep_seconds=0.1) as listening:
        world.start()
        try:
            yield world
        finally:
            world.stop()
            listening.stop()


# ---- who may call

CALLERS = {
    "owner": token("alice"),
    "other": token("bob"),
    "member": token("carol", groups=["team"]),
    "member by the platform": "Bearer opaque-carol",
    "admin": token("root", admin=True),
    "anonymous": None,
    "expired": token("alice", seconds=-5),
    "garbage": "Bearer garbage",
    "another key": "Bearer " + jwt.encode({"sub": "alice", "exp": time.time() + 60}, KEY + "x", "HS256"),
    "unsigned": "Bearer " + jwt.encode({"sub": "alice", "exp": time.time() + 60}, "", "none"),
    "basic": "Basic YWxpY2U6cHc=",
}
PRIVATE = {"owner": 200, "other": 404, "member": 404, "member by the platform": 404, "admin": 200}
EXPECTED = {
    "private": PRIVATE,
    "group": {**PRIVATE, "member": 200, "member by the platform": 200},
    "public": dict.fromkeys(CALLERS, 200),
}


def test_who_may_call_which_endpoint(world: World, package: Path) -> None:
    deployment = Deployment("d", "m", 1, 100, (world.replica("r", package),))
    world.publish(
        *(
            replace(one([deployment]), endpoint_id=visibility, name=visibility, visibility=visibility, group="team")
            for visibility in EXPECTED
        )
    )
    for visibility, expected in EXPECTED.items():
        for caller, authorization in CALLERS.items():
            headers = {"Authorization": authorization} if authorization else {}
            for path in ("/v1/models/m:predict", ""):
                method = "POST" if path else "GET"
                with RawClient(world.port) as client:
                    answer = client.request(
                        method, f"/endpoints/alice/{visibility}{path}", ROWS if path else None, headers
                    )
                assert answer.status == expected.get(caller, 401), (visibility, caller, path, answer)
    assert "eyJ" not in world.log() and "opaque" not in world.log()


def test_cookies_and_queries_do_not_authenticate_and_nothing_tells_whether_an_endpoint_is_there(
    world: World, package: Path
) -> None:
    deployment = Deployment("d", "m", 1, 100, (world.replica("r", package),))
    world.publish(one([deployment], visibility="private"))
    secret = CALLERS["owner"].removeprefix("Bearer ")  # type: ignore[union-attr]
    assert call(world.port, "POST", f"{PREDICT}?token={secret}", ROWS, Cookie=f"token={secret}").status == 401
    there, absent = (call(world.port, "GET", f"/endpoints/alice/{name}/v2") for name in ("m", "n"))
    assert there.status == absent.status == 401
    assert there.headers["www-authenticate"] == "Bearer"
    assert there.body.replace(b"alice/m", b"") == absent.body.replace(b"alice/n", b"")
    there, absent = (call(world.port, "GET", f"/endpoints/alice/{n}", Authorization=token("bob")) for n in ("m", "n"))
    assert there.status == absent.status == 404
    assert there.body.replace(b"alice/m", b"") == absent.body.replace(b"alice/n", b"")


def test_a_jwt_is_verified_and_endpoints_serve_while_the_platform_is_down(tmp_path: Path, package: Path) -> None:
    world = World(tmp_path)
    try:
        world.start()
        deployment = Deployment("d", "m", 1, 100, (world.replica("r", package),))
        world.publish(one([deployment], visibility="private"))
        assert call(world.port, "POST", PREDICT, ROWS, Authorization=token("alice")).status == 200
        answer = call(world.port, "POST", PREDICT, ROWS, Authorization="Bearer opaque-carol")
        assert (answer.status, "retry-after" in answer.headers) == (503, True)
        answer = call(world.port, "GET", "/api/v1/trainings")
        error: Any = answer.json["error"]
        assert (answer.status, error["code"], "retry-after" in answer.headers) == (503, "platform_down", True)
        with Listening(lambda: world.platform, socket=world.platform_socket):
            assert call(world.port, "GET", "/api/v1/trainings").status == 200
            assert call(world.port, "POST", "/x", b"body").json["body"] == "body"
        assert call(world.port, "GET", "/api/v1/trainings").status == 503
        assert call(world.port, "POST", "/x", b"body").status == 503
    finally:
        world.stop()


# ---- where requests go


def test_weights_split_the_traffic_exactly_and_a_header_reaches_a_named_deployment(world: World, package: Path) -> None:
    names = {"a": 60, "b": 40, "canary": 0}
    world.publish(one([Deployment(n, "m", 1, w, (world.replica(n, package),)) for n, w in names.items()]))
    with RawClient(world.port) as client:
        answers = [client.request("POST", PREDICT, ROWS) for _ in range(50)]
        assert Counter(answer.headers["x-orrery-deployment"] for answer in answers) == {"a": 30, "b": 20}
        canary = client.request("POST", PREDICT, ROWS, {"X-Orrery-Deployment": "canary"})
        assert canary.headers["x-orrery-deployment"] == "canary"
        assert client.request("POST", PREDICT, ROWS, {"X-Orrery-Deployment": "nobody"}).status == 404
    stats = world.stats()["ep"]
    assert {key: part["requests"] for key, part in stats["deployments"].items()} == {"a": 30, "b": 20, "canary": 1}
    assert (stats["requests"], stats["success"], stats["client_errors"]) == (52, 51, 1)


def test_an_endpoints_card_and_errors_in_the_protocols_shape(world: World, package: Path) -> None:
    world.publish(one([Deployment("d", "m", 3, 100, (world.replica("r", package),))]))
    assert call(world.port, "GET", "/endpoints/alice/m").json == {
        "owner": "alice",
        "name": "m",
        "visibility": "public",
        "stopped": False,
        "ready_replicas": 1,
        "deployments": [{"id": "d", "model": "m", "model_version": 3, "weight": 100, "ready_replicas": 1}],
    }
    assert call(world.port, "POST", "/endpoints/alice/m", b"{}").status == 405
    assert isinstance(call(world.port, "GET", "/endpoints/alice/nothing/v2/models/m").json["error"], str)
    assert isinstance(call(world.port, "GET", "/endpoints/alice/nothing/v1/models").json["error"], dict)
    assert isinstance(call(world.port, "POST", "/endpoints/alice/m/v2/models/m/infer", b"{}").json["error"], str)
    assert call(world.port, "GET", "/endpoints/alice").status == 404


def test_a_stopped_endpoint_and_one_that_is_starting_say_so(tmp_path: Path) -> None:
    world = World(tmp_path, arguments=["--wait-seconds", "0.3"])
    try:
        world.start()
        for stopped, code in ((True, "stopped"), (False, "starting")):
            world.publish(one([Deployment("d", "m", 1, 100)], stopped=stopped))
            answer = call(world.port, "POST", PREDICT, ROWS)
            error: Any = answer.json["error"]
            assert (answer.status, error["code"], "retry-after" in answer.headers) == (503, code, True)
    finally:
        world.stop()


def test_replicas_that_cannot_be_reached_are_503_before_the_timeout(tmp_path: Path) -> None:
    world = World(tmp_path, arguments=["--wait-seconds", "1.2"])
    try:
        world.start()
        dead = (Replica("r", f"unix:{tmp_path}/nobody.sock"), Replica("s", "127.0.0.1:1"), Replica("t", "http://"))
        world.publish(one([Deployment("d", "m", 1, 100, dead)]))
        answer = call(world.port, "POST", PREDICT, ROWS)
        assert (answer.status, answer.json["error"]["code"]) == (503, "starting")  # type: ignore[index]
    finally:
        world.stop()


def test_a_port_in_use_is_said_in_words(world: World) -> None:
    log = world.folder / "second.log"
    process = Process(
        ["-m", "orrery.gateway", "--home", str(world.folder / "other"), "--port", str(world.port)], log=log
    )
    assert process.start().wait() == 2
    assert f"port {world.port} on 127.0.0.1 is in use" in log.read_text()


def test_a_request_waits_for_a_replica_that_becomes_ready(world: World, package: Path) -> None:
    world.publish(one([Deployment("d", "m", 1, 100)]))
    ready = world.replica("r", package)
    with RawClient(world.port) as client:
        body = orjson.dumps(ROWS)
        client.send(f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_until(lambda: world.status()["waiting"] == 1)
        world.publish(one([Deployment("d", "m", 1, 100, (ready,))]))
        assert client.answer().json == {"predictions": ["x"]}


def test_limits_of_an_endpoint(world: World, package: Path) -> None:
    route = one([Deployment("d", "m", 1, 100, (world.replica("r", package),))], limits=RouteLimits(1000, 60))
    world.publish(route)
    with RawClient(world.port) as client:
        client.send(f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000000\r\n\r\n".encode())
        answer = client.answer()
        assert answer.status == 413 and answer.json["error"]["details"] == {"limit_bytes": 1000}  # type: ignore[index]
    with RawClient(world.port) as client:
        client.send(f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        client.send((b"200\r\n" + b"x" * 0x200 + b"\r\n") * 3)
        assert client.answer().status == 413
    assert call(world.port, "POST", PREDICT, ROWS).status == 200


def test_a_model_that_does_not_answer_is_504(world: World, tmp_path: Path) -> None:
    with Listening(lambda: world.platform, socket=tmp_path / "stalls.sock") as replica:
        route = one([Deployment("d", "m", 1, 100, (Replica("r", f"unix:{tmp_path / 'stalls.sock'}"),))])
        world.publish(replace(route, limits=RouteLimits(1000, 0.3)))
        answer = call(world.port, "POST", "/endpoints/alice/m/stall", b"{}")
        assert (answer.status, answer.json["error"]["code"]) == (504, "timeout")  # type: ignore[index]
        replica.call(world.platform.stalled[0].abort)
    wait_until(lambda: world.status()["outstanding"] == 0)
    assert world.stats()["ep"]["server_errors"] == 1


def test_what_a_replica_sees_and_what_it_does_not(world: World, tmp_path: Path) -> None:
    with Listening(lambda: world.platform, socket=tmp_path / "r.sock"):
        world.publish(
            one([Deployment("d", "m", 1, 100, (Replica("r", f"unix:{tmp_path / 'r.sock'}"),))], visibility="private")
        )
        headers = {"Authorization": token("alice"), "Cookie": "a=b", "X-Request-Id": "mine", "X-Other": "kept"}
        with RawClient(world.port) as client:
            answer = client.request("POST", "/endpoints/alice/m/x%20y?q=1", b"body", headers)
        seen: Any = answer.json
        assert answer.headers["x-request-id"] == "mine"
        assert (seen["target"], seen["body"]) == ("/x%20y?q=1", "body")
        assert seen["headers"] == {
            "host": "replica",
            "x-other": "kept",
            "content-length": "4",
            "x-request-id": "mine",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-proto": "http",
            "x-forwarded-host": "test",
        }


# ---- replicas that come and go under load


class Load:
    """Clients that call without a pause until told to stop, and remember every answer."""

    def __init__(self, port: int, clients: int = 4) -> None:
        self.answers: list[Answer] = []
        self.failures: list[str] = []
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self) -> None:
        with RawClient(self._port) as client:
            while not self._stop.is_set():
                try:
                    self.answers.append(client.request("POST", PREDICT, ROWS))
                except (OSError, EOFError) as error:
                    self.failures.append(str(error))
                    return

    def more(self, count: int = 100) -> None:
        """Wait for that many further answers."""
        wanted = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= wanted or bool(self.failures), what=f"{count} answers")

    def check(self) -> None:
        assert not self.failures
        assert Counter(answer.status for answer in self.answers) == {200: len(self.answers)}
        assert all(answer.body == b'{"predictions":["x"]}' for answer in self.answers)


def test_no_request_is_lost_while_replicas_are_replaced(world: World, package: Path) -> None:
    current = world.replica("r0", package)
    world.publish(one([Deployment("d", "m", 1, 100, (current,))]))
    with Load(world.port) as load:
        for turn in (1, 2, 3):
            load.more()
            following = world.replica(f"r{turn}", package)
            world.publish(one([Deployment("d", "m", 1, 100, (following,))]))
            world.replicas[current.id].signal(signal.SIGTERM)
            load.more()
            assert world.replicas[current.id].wait() == 0
            current = following
    load.check()


def test_no_request_is_lost_when_a_replica_stops_before_the_routes_say_so(world: World, package: Path) -> None:
    replicas = tuple(world.replica(name, package) for name in ("a", "b"))
    world.publish(one([Deployment("d", "m", 1, 100, replicas)]))
    with Load(world.port) as load:
        load.more()
        world.replicas["a"].signal(signal.SIGTERM)
        assert world.replicas["a"].wait() == 0
        load.more()
    load.check()


@pytest.mark.parametrize("replica_count", [2, 1])
def test_no_request_is_lost_when_a_replica_is_killed(world: World, package: Path, replica_count: int) -> None:
    replicas = tuple(world.replica(f"r{i}", package) for i in range(replica_count))
    world.publish(one([Deployment("d", "m", 1, 100, replicas)]))
    with Load(world.port) as load:
        load.more()
        world.replicas["r0"].signal(signal.SIGKILL)
        if replica_count > 1:
            load.more()
        world.replicas["r0"].wait()
        (world.folder / "r0.sock").unlink(missing_ok=True)
        world.replica("r0", package)
        load.more()
    load.check()


def test_a_request_that_kills_replicas_does_not_get_at_all_of_them(world: World, tmp_path: Path) -> None:
    class Dies:
        deaths = 0

        def on_request(self, exchange: Exchange) -> None:
            self.deaths += 1
            exchange.abort()

    dies = Dies()
    with Listening(lambda: dies, socket=tmp_path / "dies.sock"):
        replicas = tuple(Replica(f"r{i}", f"unix:{tmp_path / 'dies.sock'}") for i in range(8))
        world.publish(one([Deployment("d", "m", 1, 100, replicas)]))
        answer = call(world.port, "POST", PREDICT, ROWS)
        assert (answer.status, answer.json["error"]["code"]) == (502, "replica_lost")  # type: ignore[index]
        assert dies.deaths == 3


# ---- the platform behind it


def test_the_platform_gets_requests_as_they_came(tmp_path: Path) -> None:
    world = World(tmp_path, base_path="/services/orrery")
    with Listening(lambda: world.platform, socket=world.platform_socket):
        try:
            world.start()
            world.publish()
            headers = {"Authorization": "Bearer t", "Cookie": "a=b", "Connection": "keep-alive"}
            with RawClient(world.port) as client:
                seen: Any = client.request("PATCH", "/services/orrery/api/v1/x?y=%20", b"{}", headers).json
            assert (seen["method"], seen["target"], seen["body"]) == ("PATCH", "/services/orrery/api/v1/x?y=%20", "{}")
            assert (seen["headers"]["authorization"], seen["headers"]["cookie"], seen["headers"]["host"]) == (
                "Bearer t",
                "a=b",
                "test",
            )
            assert "connection" not in seen["headers"]
            assert call(world.port, "GET", "/endpoints/alice/m").json["target"] == "/endpoints/alice/m"
            assert call(world.port, "GET", "/services/orrery/endpoints/alice/m").status == 401
        finally:
            world.stop()


def test_event_streams_pass_as_they_come_and_end_with_their_reader(world: World) -> None:
    world.publish()
    gone = threading.Event()
    with RawClient(world.port) as client:
        client.send(b"GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
        status, headers = client.head()
        assert (status, headers["content-type"]) == (200, "text/event-stream")
        chunks = client.chunks()
        assert next(chunks) == b"data: first\n\n"
        stream = world.platform.events[0]
        stream.on_gone = gone.set
        stream.connection._server.loop.call_soon_threadsafe(stream.write, b"data: second\n\n")  # pyright: ignore[reportPrivateUsage]
        assert next(chunks) == b"data: second\n\n"
    assert gone.wait(10)


def resident_bytes(process: Process) -> int:
    assert process.popen is not None
    for line in Path(f"/proc/{process.popen.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_streams_through_in_little_memory(world: World, chunked: bool) -> None:
    world.publish()
    assert world.gateway is not None
    total, piece = 300 << 20, b"x" * (1 << 20)
    before = resident_bytes(world.gateway)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {total}"
    with RawClient(world.port) as client:
        client.send(f"PUT /upload HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode())
        peak = 0
        for i in range(total // len(piece)):
            client.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if i % 50 == 0:
                peak = max(peak, resident_bytes(world.gateway))
        if chunked:
            client.send(b"0\r\n\r\n")
        assert client.answer().json == {"received": total}
    assert peak - before < 32 << 20


def test_a_reader_that_stops_holds_back_the_platform_not_the_gateways_memory(world: World) -> None:
    world.publish()
    assert world.gateway is not None
    idle = resident_bytes(world.gateway)
    with RawClient(world.port) as client:
        client.send(b"GET /download HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.head()[0] == 200
        client.exactly(1 << 20)
        wait_until(lambda: world.platform.held_back)
        assert resident_bytes(world.gateway) - idle < 16 << 20
        assert len(client.exactly(63 << 20)) == 63 << 20


def test_a_websocket_is_tunnelled(world: World) -> None:
    world.publish()
    request = (
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with RawClient(world.port) as client:
        client.send(request.encode())
        status, headers = client.head()
        assert (status, headers["upgrade"], headers["connection"].lower()) == (101, "websocket", "upgrade")
        assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert client.exactly(5) == b"hello"
        for i in range(3):
            client.send(f"\x81ping{i}".encode("latin-1"))
            assert client.exactly(6) == f"\x81PING{i}".encode("latin-1")
        client.send(b"x" * 1_000_000)
        assert client.exactly(1_000_000) == b"X" * 1_000_000
    answer = call(world.port, "GET", "/plain", Upgrade="h2c", Connection="Upgrade")
    assert answer.status == 200


# ---- the process


def test_sigterm_drains_and_statistics_survive(world: World, package: Path) -> None:
    route = one([Deployment("d", "m", 1, 100, (world.replica("r", package),))])
    world.publish(route)
    assert world.gateway is not None
    with RawClient(world.port) as client, RawClient(world.port) as streaming:
        streaming.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        streaming.head()
        body = orjson.dumps(ROWS)
        client.send(f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        wait_until(lambda: len(world.platform.events) == 1)
        client.send(body[:5])
        call(world.port, "POST", PREDICT, ROWS)
        world.gateway.signal(signal.SIGTERM)
        assert list(streaming.chunks()) == [b"data: first\n\n"]
        client.send(body[5:])
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert world.gateway.wait() == 0
    world.start()
    assert world.stats()["ep"]["deployments"]["d"]["success"] == 2


def test_bad_routes_leave_the_old_ones_in_force(world: World, package: Path) -> None:
    world.publish(one([Deployment("d", "m", 1, 100, (world.replica("r", package),))]))
    path = world.home / "gateway" / "routes.json"
    path.write_text('{"routes": 3}')
    wait_until(lambda: "is not applied" in world.log())
    assert call(world.port, "POST", PREDICT, ROWS).status == 200


def test_two_gateways_share_a_port(world: World) -> None:
    world.publish()
    port = socket.socket()
    port.bind(("127.0.0.1", 0))
    number = port.getsockname()[1]
    port.close()
    processes: list[Process] = []
    try:
        for name in ("one", "two"):
            argv = [
                "-m",
                "orrery.gateway",
                "--home",
                str(world.home),
                "--instance",
                name,
                "--reuse-port",
                "--port",
                str(number),
            ]
            processes.append(Process(argv, log=world.folder / f"{name}.log").start())
            processes[-1].wait_ready(str(world.home / "gateway" / f"control-{name}.sock"), "/status")
        assert call(number, "GET", "/x").status == 200
    finally:
        for process in processes:
            process.stop()


def test_the_access_log_names_the_caller_and_never_a_secret(tmp_path: Path, package: Path) -> None:
    log = tmp_path / "access.log"
    world = World(tmp_path, arguments=["--access-log", str(log)])
    try:
        world.start()
        world.publish(one([Deployment("d", "m", 1, 100, (world.replica("r", package),))], visibility="private"))
        call(world.port, "POST", f"{PREDICT}?token=secret", ROWS, Authorization=token("alice"))
        wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
        line = orjson.loads(log.read_text())
        assert (line["user"], line["endpoint"], line["deployment"], line["status"]) == ("alice", "alice/m", "d", 200)
        assert "secret" not in log.read_text() and "eyJ" not in log.read_text()
    finally:
        world.stop()


def test_the_gateway_is_small(world: World) -> None:
    assert world.gateway is not None and world.gateway.popen is not None
    text = Path(f"/proc/{world.gateway.popen.pid}/smaps_rollup").read_text()
    pss = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    assert pss < 45 * 1024
    assert os.getpid() != world.gateway.popen.pid
