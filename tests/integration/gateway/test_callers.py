"""Who may call an endpoint, by which token, and what the others learn."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
from tests.integration.gateway.parts import KEY, PREDICT, ROWS, World, one, token

from orrery.gateway.routes import Deployment
from orrery.testing.http import RawClient, call
from orrery.testing.listening import Listening

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
