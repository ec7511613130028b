"""What passes the gateway on its way to the platform: streams, uploads, WebSockets."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from tests.integration.gateway.parts import World, resident_bytes

from orrery.testing.http import RawClient, call
from orrery.testing.listening import Listening
from orrery.testing.waiting import wait_until


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
        assert world.platform.loop is not None
        world.platform.loop.call_soon_threadsafe(stream.write, b"data: second\n\n")
        assert next(chunks) == b"data: second\n\n"
    assert gone.wait(10)


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
