"""Images and registry accounts on a real platform, with Docker's own registry where it is installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orrery.testing.platform import RunningPlatform, wait_settled
from orrery.testing.processes import free_port
from orrery.testing.registries import (
    GOOD_LABELS,
    DockerRegistry,
    docker_registry,
    docker_registry_program,
    make_image,
    push,
)

USER, PASSWORD = "robot", "a-password-of-robot"
pytestmark = pytest.mark.skipif(
    docker_registry_program() is None, reason="docker-registry is not installed (apt-get install docker-registry)"
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with docker_registry(tmp_path_factory.mktemp("registry"), USER, PASSWORD) as running:
        push(running.url, "team/good", "1.0", make_image(indexed=True), (USER, PASSWORD))
        push(running.url, "team/plain", "1.0", make_image({}), (USER, PASSWORD))
        yield running


@pytest.fixture(scope="module")
def platform(registry: DockerRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    hosts = [registry.host, f"127.0.0.1:{free_port()}"]
    images = {"private_registries": hosts, "insecure_registries": hosts, "timeout_seconds": 5}
    environment = {"ORRERY_IMAGES": json.dumps(images), "ORRERY_CONTAINERS": "true"}
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment=environment) as running:
        yield running


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client("alice") as client:
        yield client


def make_account(client: httpx.Client, name: str, registry: str, password: str = PASSWORD, **others: Any) -> Any:
    spec = {"registry": registry, "username": USER, "password": password}
    answer = client.post("registry-accounts", json={"name": name, "spec": spec, **others})
    assert answer.status_code == 201, answer.text
    return wait_settled(client, "registry-accounts", answer.json()["id"])


def register(client: httpx.Client, name: str, address: str, **spec: Any) -> Any:
    answer = client.post("images", json={"name": name, "spec": {"address": address, **spec}})
    assert answer.status_code == 201, answer.text
    return wait_settled(client, "images", answer.json()["id"])


def test_a_private_image_is_registered_with_an_account(client: httpx.Client, registry: DockerRegistry) -> None:
    account = make_account(client, "team", registry.host)
    assert (account["status"]["phase"], account["status"]["message"]) == (
        "ACTIVE",
        f"{registry.host} let {USER} in",
    )
    assert account["spec"] == {"category": "OCI", "registry": registry.host, "username": USER}
    image = register(client, "good", f"{registry.host}/team/good:1.0", registry_account="team")
    assert image["status"]["phase"] == "ACTIVE", image["status"]
    found = image["status"]["outputs"]
    assert {name: found[name] for name in ("core_type", "framework", "framework_version", "python_version")} == {
        "core_type": "CPU",
        "framework": "PYTORCH",
        "framework_version": "2.13.0",
        "python_version": "3.11.7",
    }
    assert found["base"] == GOOD_LABELS["orrery.image.base"]
    assert found["pinned"] == f"{registry.host}/team/good@{make_image(indexed=True).digest}"
    refused = client.delete("registry-accounts/team")
    assert refused.status_code == 409 and "image alice/good" in refused.text


@pytest.mark.parametrize(
    ("address", "spec", "reason", "remedy"),
    [
        ("team/good:2.0", {"registry_account": "team"}, "not_found", "check its name and tag"),
        ("team/good:1.0", {}, "login_needed", "choose a registry account"),
        ("team/plain:1.0", {"registry_account": "team"}, "no_base", "FROM ghcr.io/orrery/notebook-pytorch-cpu"),
        ("team/good:1.0", {"registry_account": "team", "type": "TRAINING"}, "facts_differ", "use NOTEBOOK by its"),
        ("team/good:1.0", {"registry_account": "team", "core_type": "GPU"}, "facts_differ", "leave it empty"),
        ("team/good:1.0", {"registry_account": "wrong"}, "login_refused", "check its ID and password"),
    ],
)
def test_what_cannot_be_used_says_why(
    client: httpx.Client, registry: DockerRegistry, address: str, spec: dict[str, str], reason: str, remedy: str
) -> None:
    for name, password in (("team", PASSWORD), ("wrong", "not the password")):
        if client.get(f"registry-accounts/{name}").status_code == 404:
            account = make_account(client, name, registry.host, password)
            assert account["status"]["phase"] == ("ACTIVE" if name == "team" else "CHECK_FAILED")
    image = register(
        client, f"bad-{len(client.get('images?limit=200').json()['items'])}", f"{registry.host}/{address}", **spec
    )
    assert (image["status"]["phase"], image["status"]["reason"]) == ("CHECK_FAILED", reason)
    assert remedy in image["status"]["message"]


def test_a_rotated_password_is_tried_and_a_failed_check_done_again(
    client: httpx.Client, registry: DockerRegistry
) -> None:
    make_account(client, "rotating", registry.host)
    image = register(client, "rotated", f"{registry.host}/team/good:1.0", registry_account="rotating")
    try:
        registry.set_password(USER, "another password")
        assert client.post(f"images/{image['id']}/check").status_code == 200
        failed = wait_settled(client, "images", image["id"])
        assert failed["status"]["reason"] == "login_refused"
        # what was pinned before stays known
        assert failed["status"]["outputs"]["pinned"] == image["status"]["outputs"]["pinned"]
        changed = client.patch("registry-accounts/rotating", json={"spec": {"password": "another password"}})
        assert changed.status_code == 200 and "another" not in changed.text
        assert wait_settled(client, "registry-accounts", "rotating")["status"]["phase"] == "ACTIVE"
        client.post(f"images/{image['id']}/check")
        assert wait_settled(client, "images", image["id"])["status"]["phase"] == "ACTIVE"
    finally:
        registry.set_password(USER, PASSWORD)


def test_a_moved_tag_counts_from_the_next_check_on(client: httpx.Client, registry: DockerRegistry) -> None:
    first = push(registry.url, "team/moving", "latest", make_image(), (USER, PASSWORD))
    make_account(client, "mover", registry.host)
    image = register(client, "moving", f"{registry.host}/team/moving:latest", registry_account="mover")
    newer = make_image({**GOOD_LABELS, "orrery.image.framework-version": "2.14.0"})
    second = push(registry.url, "team/moving", "latest", newer, (USER, PASSWORD))
    assert image["status"]["outputs"]["digest"] == first != second
    client.post(f"images/{image['id']}/check")
    found = wait_settled(client, "images", image["id"])["status"]["outputs"]
    assert (found["digest"], found["framework_version"]) == (second, "2.14.0")


def test_a_registry_that_is_down_is_said_to_be(client: httpx.Client, platform: RunningPlatform) -> None:
    hosts = json.loads(platform._environment["ORRERY_IMAGES"])["private_registries"]  # pyright: ignore[reportPrivateUsage]
    image = register(client, "down", f"{hosts[1]}/team/x:1")
    assert image["status"]["reason"] == "unreachable" and "try again later" in image["status"]["message"]


def test_the_catalogue_is_public_and_nobody_elses_to_change(client: httpx.Client) -> None:
    items = client.get("images", params={"owner": "orrery", "order": "name"}).json()["items"]
    assert [(item["name"], item["status"]["outputs"]["framework"]) for item in items] == [
        (f"{use}-{framework}-{core}", framework.upper())
        for use, frameworks in (("notebook", ("python", "pytorch", "tensorflow")), ("train", ("pytorch", "tensorflow")))
        for framework in frameworks
        for core in ("cpu", "gpu")
    ]
    assert client.delete(f"images/{items[0]['id']}").status_code == 403
    assert client.post(f"images/{items[0]['id']}/check").status_code == 403


def test_an_account_is_private_and_belongs_to_one_registry(
    platform: RunningPlatform, client: httpx.Client, registry: DockerRegistry
) -> None:
    account = make_account(client, "private", registry.host)
    with platform.client("bob") as bob:
        assert bob.get(f"registry-accounts/{account['id']}").status_code == 404
        spec = {"address": f"{registry.host}/team/good:1.0", "registry_account": account["id"]}
        assert bob.post("images", json={"name": "theft", "spec": spec}).status_code == 422
    elsewhere = {"address": "ghcr.io/team/good:1.0", "registry_account": "private"}
    refused = client.post("images", json={"name": "elsewhere", "spec": elsewhere})
    assert refused.status_code == 422
    assert refused.json()["error"]["details"]["fields"][0]["path"] == "spec.registry_account"
    assert PASSWORD not in client.get("registry-accounts").text
    files = [path for path in platform.home.rglob("*") if path.is_file()]
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []


def test_images_by_the_command_line(platform: RunningPlatform, registry: DockerRegistry) -> None:
    kept = platform.cli(
        *("registry-account", "set", "by-cli", "--registry", registry.host, "--username", USER),
        user="carol",
        stdin=f"{PASSWORD}\n",
    )
    assert kept.returncode == 0 and f"let {USER} in" in kept.stderr, kept.stderr
    added = platform.cli(
        "image", "add", "by-cli", f"{registry.host}/team/good:1.0", "--account", "by-cli", user="carol"
    )
    assert added.returncode == 0 and make_image(indexed=True).digest in added.stderr, added.stderr
    failed = platform.cli("image", "add", "none", f"{registry.host}/team/none:1.0", "--account", "by-cli", user="carol")
    assert failed.returncode != 0 and "check its name and tag" in failed.stderr
    assert platform.cli("image", "check", "by-cli", user="carol").returncode == 0
    listed = platform.cli("get", "images", "--owner", "carol", user="carol")
    assert "PYTORCH" in listed.stdout and "2.13.0" in listed.stdout
    wrong = platform.cli("image", "add", "wrong", f"{registry.host}/Team/x:1", user="carol")
    assert wrong.returncode == 2 and "lower-case letters" in wrong.stderr


def test_what_nobody_started_in_containers_has_its_own_python(tmp_path: Path) -> None:
    with RunningPlatform(tmp_path / "home") as alone, alone.client() as client:
        items = client.get("images").json()["items"]
        assert [(item["name"], item["owner"]) for item in items] == [("local", "orrery")]
        assert items[0]["status"]["outputs"]["python_version"].startswith("3.")
