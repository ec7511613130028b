"""The gateway as a process: how it ends, what it keeps, what it logs, how large it is."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import orjson
from tests.integration.gateway.parts import PREDICT, ROWS, World, one, token

from orrery.gateway.routes import Deployment
from orrery.testing.http import Process, RawClient, call
from orrery.testing.waiting import wait_until


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
