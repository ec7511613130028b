"""The gateway's pure parts: routes document, weighted choice, tokens, statistics, headers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest

from orrery.gateway import forwarding
from orrery.gateway.auth import Authenticator, Identity, TokenExpired, bearer_token, may_call, verify_jwt
from orrery.gateway.balancing import RoutingTable
from orrery.gateway.routes import (
    BadRoutes,
    Deployment,
    Platform,
    Replica,
    Route,
    RouteLimits,
    Routes,
    parse_routes,
    write_routes,
)
from orrery.gateway.stats import Stats
from orrery.serving.http import Head, HttpError

KEY = b"a-secret-of-some-length-for-tests-only, longer than need be"


# ---- routes


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    document = Routes(
        17,
        Platform("unix:/run/platform.sock"),
        (
            Route(
                "ep_1",
                "alice",
                "breast",
                "group",
                "team",
                True,
                RouteLimits(100, 2.5),
                (Deployment("d1", "breast", 2, 100, (Replica("r1", "unix:/r1.sock"),)),),
            ),
        ),
    )
    path = tmp_path / "gateway" / "routes.json"
    write_routes(path, document)
    assert parse_routes(path.read_bytes()) == document
    assert [file.name for file in path.parent.iterdir()] == ["routes.json"]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("[]", "routes is []"),
        ("{", "not JSON"),
        ('{"routes": 3}', "routes.routes is 3"),
        ('{"routes": [{"endpoint_id": "e", "owner": "a"}]}', "routes[0].name is None"),
        (
            '{"routes": [{"endpoint_id": "e", "owner": "a", "name": "b", "visibility": "secret"}]}',
            "use one of private, group, public",
        ),
        (
            '{"routes": [{"endpoint_id": "e", "owner": "a", "name": "b", "deployments": [{"id": "d", "weight": -1}]}]}',
            "routes[0].deployments[0].weight is -1",
        ),
        (
            orjson.dumps({"routes": [{"endpoint_id": i, "owner": "a", "name": "b"} for i in "ef"]}).decode(),
            "a/b is given twice",
        ),
    ],
)
def test_a_bad_document_is_refused_by_its_field(document: str, words: str) -> None:
    with pytest.raises(BadRoutes) as error:
        parse_routes(document.encode())
    assert words in str(error.value)


# ---- choice


def on_loop(function: Callable[[], None]) -> None:
    async def run() -> None:
        function()

    asyncio.run(run())


def table(tmp_path: Path, weights: dict[str, float], replicas: int = 1) -> RoutingTable:
    table = RoutingTable(Stats(tmp_path / "stats.json"))
    table.apply(document(weights, replicas))
    return table


def document(weights: dict[str, float], replicas: int = 1) -> Routes:
    deployments = tuple(
        Deployment(key, "m", 1, weight, tuple(Replica(f"{key}{i}", f"unix:/{key}{i}") for i in range(replicas)))
        for key, weight in weights.items()
    )
    return Routes(1, None, (Route("e", "alice", "m", deployments=deployments),))


def test_weights_are_exact_over_each_hundred_and_come_without_bursts(tmp_path: Path) -> None:
    def check() -> None:
        endpoint = table(tmp_path, {"a": 60, "b": 30, "c": 10, "never": 0}).find("alice", "m")
        assert endpoint is not None
        for _ in range(3):
            turns = [chosen[0].deployment.id for _ in range(100) if (chosen := endpoint.choose(None, 0.0))]
            assert Counter(turns) == {"a": 60, "b": 30, "c": 10}
            assert "aaa" not in "".join(turns)

    on_loop(check)


def test_a_share_without_replicas_goes_to_the_others_and_a_named_deployment_is_reached(tmp_path: Path) -> None:
    def check() -> None:
        routes = table(tmp_path, {"a": 50, "b": 50, "never": 0})
        endpoint = routes.find("alice", "m")
        assert endpoint is not None
        endpoint.deployments["a"].replicas.clear()
        assert {chosen[0].deployment.id for _ in range(9) if (chosen := endpoint.choose(None, 0.0))} == {"b"}
        named = endpoint.choose("never", 0.0)
        assert named is not None and named[1].id == "never0"
        assert endpoint.choose("a", 0.0) is None

    on_loop(check)


def test_the_least_busy_replica_is_taken_and_one_that_is_down_left_alone(tmp_path: Path) -> None:
    def check() -> None:
        endpoint = table(tmp_path, {"a": 100}, replicas=3).find("alice", "m")
        assert endpoint is not None
        first, second, third = endpoint.deployments["a"].replicas
        first.outstanding, second.outstanding, third.outstanding = 2, 1, 2
        assert endpoint.choose(None, 0.0) == (endpoint.deployments["a"], second)
        second.down_until = 5.0
        assert {chosen[1].id for _ in range(8) if (chosen := endpoint.choose(None, 1.0))} == {"a0", "a2"}
        first.down_until = third.down_until = 5.0
        assert endpoint.choose(None, 1.0) is None
        assert endpoint.choose(None, 6.0) is not None

    on_loop(check)


def test_new_routes_keep_what_is_known_of_the_replicas_that_stay(tmp_path: Path) -> None:
    def check() -> None:
        routes = table(tmp_path, {"a": 100}, replicas=2)
        before = routes.find("alice", "m")
        assert before is not None
        kept, gone = before.deployments["a"].replicas
        kept.outstanding = gone.outstanding = 3
        routes.apply(document({"a": 100}, replicas=1))
        after = routes.find("alice", "m")
        assert after is not None and after.deployments["a"].replicas == [kept]
        assert routes.draining() == {"a1": 3}
        gone.outstanding = 0
        assert routes.draining() == {}

    on_loop(check)


# ---- tokens


def token(key: bytes = KEY, algorithm: str = "HS256", **claims: Any) -> bytes:
    return jwt.encode({"sub": "alice", "exp": time.time() + 60, **claims}, key, algorithm).encode()


def test_a_token_of_ours_is_read() -> None:
    identity, _ = verify_jwt(token(groups=["team"], admin=True), KEY, time.time()) or pytest.fail("not verified")
    assert identity == Identity("alice", frozenset({"team"}), True)


BAD_TOKENS = {
    "another key": lambda: token(b"another-key-of-some-length-for-tests, as long as the first"),
    "another algorithm": lambda: token(algorithm="HS384"),
    "no signature asked": lambda: jwt.encode({"sub": "alice", "exp": time.time() + 60}, "", "none").encode(),
    "cut": lambda: token()[:-2],
    "longer": lambda: token() + b"A",
    "without its signature": lambda: b".".join([*token().split(b".")[:2], b""]),
    "two dots": lambda: token().replace(b".", b"..", 1),
    "nobody's": lambda: jwt.encode({"exp": time.time() + 60}, KEY, "HS256").encode(),
    "endless": lambda: jwt.encode({"sub": "alice"}, KEY, "HS256").encode(),
    "three letters": lambda: b"a.b.c",
    "opaque": lambda: b"opaque",
    "no text": lambda: b"\xff.\xff.\xff",
}


@pytest.mark.parametrize("bad", BAD_TOKENS)
def test_any_other_token_is_not_ours(bad: str) -> None:
    assert verify_jwt(BAD_TOKENS[bad](), KEY, time.time()) is None


def test_an_expired_or_early_token_says_so() -> None:
    for late in (token(exp=time.time() - 1), token(nbf=time.time() + 3600)):
        with pytest.raises(TokenExpired):
            verify_jwt(late, KEY, time.time())


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Bearer abc", b"abc"),
        (b"bearer  abc ", b"abc"),
        (b"token abc", b"abc"),
        (b"Basic abc", None),
        (b"Bearer", None),
        (b"", None),
        (None, None),
    ],
)
def test_only_bearer_tokens_count(header: bytes | None, expected: bytes | None) -> None:
    assert bearer_token(header) == expected


OWNER, OTHER, MEMBER, ADMIN = (
    Identity("alice"),
    Identity("bob"),
    Identity("carol", frozenset({"team"})),
    Identity("root", admin=True),
)


@pytest.mark.parametrize(
    ("visibility", "allowed"),
    [("private", {OWNER, ADMIN}), ("group", {OWNER, ADMIN, MEMBER}), ("public", {OWNER, ADMIN, MEMBER, OTHER})],
)
def test_who_may_call(visibility: str, allowed: set[Identity]) -> None:
    route = Route("e", "alice", "m", visibility, "team" if visibility == "group" else None)
    assert {identity for identity in (OWNER, OTHER, MEMBER, ADMIN) if may_call(route, identity)} == allowed


class FakePlatform:
    """Stands where the network would be; everything else is real."""

    def __init__(self) -> None:
        self.answer: tuple[int, bytes] | None = (200, b'{"name": "bob", "groups": ["g"], "admin": false}')
        self.asked = 0

    def ask(self, token: bytes, done: Callable[[tuple[int, bytes] | None], None]) -> None:
        self.asked += 1
        done(self.answer)


def test_tokens_that_the_platform_resolved_are_remembered_and_outlive_it_for_a_while(tmp_path: Path) -> None:
    platform, now = FakePlatform(), [1000.0]
    authenticator = Authenticator(tmp_path / "jwt.key", platform.ask, lambda: now[0])
    heard: list[Identity | HttpError] = []

    def identify() -> Identity | HttpError:
        authenticator.identify(b"opaque", heard.append)
        return heard[-1]

    bob = Identity("bob", frozenset({"g"}))
    assert (identify(), identify(), platform.asked) == (bob, bob, 1)
    now[0] += 61
    assert (identify(), platform.asked) == (bob, 2)
    platform.answer = None
    now[0] += 300
    assert identify() == bob
    now[0] += 301
    late = identify()
    assert isinstance(late, HttpError) and late.status == 503
    platform.answer = (401, b"{}")
    refused = identify()
    assert isinstance(refused, HttpError) and refused.status == 401
    asked = platform.asked
    identify()
    assert platform.asked == asked


def test_whether_a_runs_own_token_still_counts_the_platform_is_asked_every_few_seconds(tmp_path: Path) -> None:
    (tmp_path / "jwt.key").write_bytes(KEY)
    platform, now = FakePlatform(), [1000.0]
    authenticator = Authenticator(tmp_path / "jwt.key", platform.ask, lambda: now[0])
    signed = token(run="trn_1-1", exp=5000)
    heard: list[Identity | HttpError] = []
    for _ in range(2):
        authenticator.identify(signed, heard.append)
    assert heard == [Identity("bob", frozenset({"g"}))] * 2 and platform.asked == 1
    platform.answer = (401, b"{}")
    now[0] += 6
    authenticator.identify(signed, heard.append)
    assert isinstance(heard[-1], HttpError) and platform.asked == 2


def test_a_new_key_ends_the_tokens_of_the_old_one(tmp_path: Path) -> None:
    path, platform = tmp_path / "jwt.key", FakePlatform()
    platform.answer = (401, b"")
    path.write_bytes(KEY + b"\n")
    authenticator = Authenticator(path, platform.ask)
    heard: list[Identity | HttpError] = []
    signed = token()
    authenticator.identify(signed, heard.append)
    assert heard == [Identity("alice")]
    other = tmp_path / "other"
    other.write_bytes(b"another-key-of-some-length-for-tests, as long as the first")
    other.replace(path)
    authenticator.check_key()
    authenticator.identify(signed, heard.append)
    assert isinstance(heard[-1], HttpError)


# ---- statistics


def test_statistics_survive_a_restart_and_go_on(tmp_path: Path) -> None:
    path = tmp_path / "stats.json"
    for turn in (1, 2):
        stats = Stats(path)
        counts = stats.endpoint("e", "alice", "m")
        for milliseconds in range(1, 101):
            stats.record(counts, "d", 200, milliseconds / 1000, 10, 20)
        stats.record(counts, None, 401, 0.001, 0, 5)
        stats.record(counts, "d", 500, 0.001, 0, 5)
        stats.flush()
        endpoint: Any = stats.document()["endpoints"]
        assert endpoint["e"]["requests"] == 102 * turn
        assert (endpoint["e"]["success"], endpoint["e"]["client_errors"], endpoint["e"]["server_errors"]) == (
            100 * turn,
            turn,
            turn,
        )
        part = endpoint["e"]["deployments"]["d"]
        assert (part["requests"], part["bytes_in"]) == (101 * turn, 1000 * turn)
        assert part["latency_seconds"]["p50"] == pytest.approx(0.050, rel=0.12)
        assert part["latency_seconds"]["p99"] == pytest.approx(0.099, rel=0.12)


def test_a_broken_statistics_file_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "stats.json"
    path.write_bytes(b'{"endpoints": {"e": {}}}')
    assert Stats(path).document() == {"endpoints": {}}


# ---- headers


def head(*headers: tuple[bytes, bytes]) -> Head:
    return Head("POST", b"/x?q", "1.1", [(b"host", b"example"), *headers])


def test_neither_credentials_nor_hop_by_hop_headers_reach_a_replica() -> None:
    request = head(
        (b"authorization", b"Bearer secret"),
        (b"cookie", b"session=secret"),
        (b"connection", b"keep-alive, X-Private"),
        (b"x-private", b"secret"),
        (b"te", b"trailers"),
        (b"proxy-authorization", b"secret"),
        (b"x-forwarded-for", b"6.6.6.6"),
        (b"x-orrery-deployment", b"d"),
        (b"content-type", b"application/json"),
        (b"inference-header-content-length", b"12"),
    )
    sent = forwarding.replica_head(request, b"/v1", 3, b"id", b"x-forwarded-for: 1.2.3.4\r\n")
    assert sent == (
        b"POST /v1 HTTP/1.1\r\nhost: replica\r\ncontent-type: application/json\r\n"
        b"inference-header-content-length: 12\r\ncontent-length: 3\r\nx-request-id: id\r\n"
        b"x-forwarded-for: 1.2.3.4\r\n\r\n"
    )


def test_forwarded_headers_are_believed_only_from_a_trusted_proxy() -> None:
    request = head((b"x-forwarded-for", b"9.9.9.9"), (b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"hub"))
    assert forwarding.forwarded_lines(request, "1.2.3.4", trusted=False) == (
        b"x-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: http\r\nx-forwarded-host: example\r\n"
    )
    assert forwarding.forwarded_lines(request, "1.2.3.4", trusted=True) == (
        b"x-forwarded-for: 9.9.9.9, 1.2.3.4\r\nx-forwarded-proto: https\r\nx-forwarded-host: hub\r\n"
    )


def test_a_request_id_is_kept_if_harmless() -> None:
    assert forwarding.request_id(head((b"x-request-id", b"abc-1.2_3"))) == b"abc-1.2_3"
    made = forwarding.request_id(head((b"x-request-id", b'"><script>')))
    assert made != forwarding.request_id(head()) and b"<" not in made


def test_the_gateway_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    heavy = ["numpy", "pydantic", "fastapi", "sqlalchemy", "httpx"]
    code = f"import sys, orrery.gateway.__main__; print([m for m in {heavy} if m in sys.modules])"
    assert orjson.loads(subprocess.check_output([sys.executable, "-c", code])) == []
