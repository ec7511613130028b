"""The gateway: where requests go, what limits them, and what a replica sees of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from tests.integration.gateway.parts import PREDICT, ROWS, World, one, token

from orrery.gateway.routes import Deployment, Replica, RouteLimits
from orrery.testing.http import Process, RawClient, call
from orrery.testing.listening import Listening
from orrery.testing.waiting import wait_until


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
