"""Registries that are what they should be, and those that are not: what the platform asks, and what it believes."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest

from orrery.controllers.hosts import Hosts, is_public
from orrery.controllers.image_contents import ImageContents, read_image
from orrery.controllers.registries import Login, Registry, RegistryProblem
from orrery.controllers.settings import ImageSettings
from orrery.domain.image_addresses import ImageAddress
from orrery.testing.registries import GOOD_LABELS, INDEX, MANIFEST, ScriptedRegistry, digest_of, make_image


@pytest.fixture
def registry() -> Iterator[ScriptedRegistry]:
    with ScriptedRegistry() as scripted:
        yield scripted


def settings(*registries: ScriptedRegistry, **others: Any) -> ImageSettings:
    hosts = [registry.host for registry in registries]
    return ImageSettings(private_registries=hosts, insecure_registries=hosts, **others)


def read(
    registry: ScriptedRegistry,
    tag: str = "1",
    *,
    rules: ImageSettings | None = None,
    login: Login | None = None,
    digest: str | None = None,
) -> ImageContents:
    rules = rules or settings(registry)
    with Registry(registry.host, login, rules) as asked:
        address = ImageAddress(registry.host, "team/x", None if digest else tag, digest)
        return read_image(asked, address, rules.platform, rules.max_bytes)


def problem(registry: ScriptedRegistry, **options: Any) -> RegistryProblem:
    with pytest.raises(RegistryProblem) as caught:
        read(registry, **options)
    return caught.value


@pytest.mark.parametrize("indexed", [False, True])
def test_an_image_is_read_and_pinned_by_what_its_tag_names(registry: ScriptedRegistry, indexed: bool) -> None:
    image = make_image(indexed=indexed)
    registry.hold("team/x", "1", image)
    found = read(registry)
    layer = next(len(content) for content in image.blobs.values() if content[:2] == b"\x1f\x8b")
    assert found == ImageContents(image.digest, layer, GOOD_LABELS, "2026-11-24T12:00:00Z")
    assert read(registry, digest=image.digest) == found


def test_a_token_is_fetched_with_the_log_in_and_for_this_repository(registry: ScriptedRegistry) -> None:
    registry.account = ("robot", "its-password")
    registry.hold("team/x", "1", make_image())
    read(registry, login=Login("robot", "its-password"))
    asked = next(request.path for request in registry.asked if request.path.startswith("/token"))
    assert "service=scripted" in asked and "scope=repository%3Ateam%2Fx%3Apull" in asked and "account=robot" in asked
    for login, reason in ((Login("robot", "wrong"), "login_refused"), (None, "login_needed")):
        assert problem(registry, login=login).reason == reason
    with Registry(registry.host, Login("robot", "its-password"), settings(registry)) as asking:
        assert asking.log_in() == f"{registry.host} let robot in"
    with (
        Registry(registry.host, Login("robot", "wrong"), settings(registry)) as asking,
        pytest.raises(RegistryProblem, match="refuses the log-in of robot"),
    ):
        asking.log_in()


def test_a_log_in_does_not_go_along_a_redirect(registry: ScriptedRegistry) -> None:
    registry.account = ("robot", "its-password")
    image = make_image()
    registry.hold("team/x", "1", image)
    with ScriptedRegistry() as storage:
        for digest, content in image.blobs.items():
            there = {"Location": f"http://{storage.host}/store/{digest}?signed=1"}
            registry.replies[f"/v2/team/x/blobs/{digest}"] = (307, there, b"")
            storage.replies[f"/store/{digest}"] = (200, {}, content)
        login = Login("robot", "its-password")
        assert read(registry, rules=settings(registry, storage), login=login).digest == image.digest
        assert storage.asked and all("authorization" not in request.headers for request in storage.asked)


@pytest.mark.parametrize(
    ("scheme", "message"), [("http", "only https is"), ("https", "at an address that is not public"), ("file", "only")]
)
def test_a_redirect_to_where_nobody_may_ask_is_not_followed(
    registry: ScriptedRegistry, scheme: str, message: str
) -> None:
    with ScriptedRegistry() as inner:
        there = {"Location": f"{scheme}://{inner.host}/latest/meta-data/"}
        registry.replies["/v2/team/x/manifests/1"] = (302, there, b"")
        found = problem(registry)
        assert found.reason == "host_refused" and message in found.message and inner.asked == []


def test_a_registry_at_a_private_address_is_not_asked(registry: ScriptedRegistry) -> None:
    for host in (registry.host, f"localhost:{registry.host.partition(':')[2]}"):
        with Registry(host, Login("robot", "its-password"), ImageSettings()) as asking:
            with pytest.raises(RegistryProblem) as caught:
                asking.log_in()
            assert caught.value.reason == "host_refused" and "PRIVATE_REGISTRIES" in caught.value.message
    assert registry.asked == []


def test_a_redirect_in_a_circle_ends(registry: ScriptedRegistry) -> None:
    registry.replies["/v2/team/x/manifests/1"] = (302, {"Location": "/v2/team/x/manifests/1"}, b"")
    assert "answered 302" in problem(registry).message
    assert len(registry.asked) < 10


def test_what_is_not_what_its_digest_says_is_refused(registry: ScriptedRegistry) -> None:
    image = make_image()
    registry.hold("team/x", "1", image)
    other = make_image({**GOOD_LABELS, "orrery.image.core-type": "GPU"})
    registry.replies[f"/v2/team/x/manifests/{image.digest}"] = (200, {"Content-Type": MANIFEST}, other.manifest)
    assert problem(registry, digest=image.digest).reason == "digest_mismatch"
    config = next(digest for digest, content in image.blobs.items() if content.startswith(b"{"))
    forged = next(content for content in other.blobs.values() if content.startswith(b"{"))
    registry.replies[f"/v2/team/x/blobs/{config}"] = (200, {}, forged)
    assert problem(registry).reason == "digest_mismatch"
    said = {"Content-Type": MANIFEST, "Docker-Content-Digest": digest_of(b"something else")}
    registry.replies["/v2/team/x/manifests/1"] = (200, said, image.manifest)
    assert problem(registry).reason == "digest_mismatch"


def test_a_huge_manifest_is_not_read_to_its_end(registry: ScriptedRegistry) -> None:
    sent = 0

    def endless(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        request.send_response(200)
        request.send_header("Content-Type", MANIFEST)
        request.end_headers()
        try:
            while sent < 1 << 30:
                request.wfile.write(b" " * 65536)
                sent += 65536
        except OSError:
            pass
        request.close_connection = True

    registry.replies["/v2/team/x/manifests/1"] = endless
    assert problem(registry).reason == "too_large"
    assert sent < 64 << 20


@pytest.mark.parametrize(
    "begin", [b"HTTP/1.1 200 OK\r\nX-Drips: ", b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"]
)
def test_a_registry_that_drips_is_given_up(registry: ScriptedRegistry, begin: bytes) -> None:
    gone = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.wfile.write(begin)
        with contextlib.suppress(OSError):
            while not gone.wait(0.05):
                request.wfile.write(b" ")

    registry.replies["/v2/team/x/manifests/1"] = drip
    found = problem(registry, rules=settings(registry, timeout_seconds=0.5))
    gone.set()
    assert (found.reason, found.is_passing) == ("too_slow", True)
    assert "within 0.5 seconds" in found.message


def test_a_registry_that_is_down_may_be_asked_again(registry: ScriptedRegistry) -> None:
    with ScriptedRegistry() as gone:
        pass
    found = problem(gone)
    assert (found.reason, found.is_passing) == ("unreachable", True)
    registry.replies["/v2/team/x/manifests/1"] = (503, {}, b'{"errors": [{"message": "being repaired"}]}')
    found = problem(registry)
    assert found.is_passing and "503 (being repaired)" in found.message
    registry.replies["/v2/team/x/manifests/1"] = (429, {}, b"")
    assert "asked too often" in problem(registry).message


def _manifest(**changes: Any) -> bytes:
    return json.dumps({**json.loads(make_image().manifest), **changes}).encode()


@pytest.mark.parametrize(
    ("content", "media_type", "reason"),
    [
        (b"<html>a shop</html>", "text/html", "no_registry"),
        (b"[]", MANIFEST, "no_registry"),
        (b"[" * 100_000, MANIFEST, "no_registry"),
        (_manifest(schemaVersion=1), MANIFEST, "no_image"),
        (_manifest(manifests=[]), MANIFEST, "no_image"),
        (_manifest(layers=[]), MANIFEST, "no_image"),
        (_manifest(layers=[{"size": -1}]), MANIFEST, "no_image"),
        (_manifest(layers=[{"size": 1 << 40}]), MANIFEST, "too_large"),
        (_manifest(config={"mediaType": "application/vnd.cncf.helm.config.v1+json"}), MANIFEST, "no_image"),
        (_manifest(config=7), MANIFEST, "no_image"),
        (make_image(platform="linux/arm64", indexed=True).manifest, INDEX, "wrong_platform"),
        (json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [3]}).encode(), INDEX, "wrong_platform"),
    ],
)
def test_what_is_no_image_is_told_from_one(
    registry: ScriptedRegistry, content: bytes, media_type: str, reason: str
) -> None:
    registry.replies["/v2/team/x/manifests/1"] = (200, {"Content-Type": media_type}, content)
    assert problem(registry).reason == reason


def test_an_image_for_another_processor_is_refused(registry: ScriptedRegistry) -> None:
    registry.hold("team/x", "1", make_image(platform="linux/arm64"))
    found = problem(registry)
    assert found.reason == "wrong_platform" and "made for linux/arm64" in found.message


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected


def test_a_name_is_asked_at_the_address_that_was_judged(registry: ScriptedRegistry) -> None:
    port = registry.host.partition(":")[2]
    hosts = Hosts([f"localhost:{port}"], [], "ORRERY_IMAGES__PRIVATE_REGISTRIES")
    way = hosts.way_to(httpx.URL(f"https://localhost:{port}/v2/"))
    assert str(way.url).startswith(("https://127.0.0.1:", "https://[::1]:"))
    assert way.headers == {"Host": f"localhost:{port}"} and way.extensions == {"sni_hostname": "localhost"}
