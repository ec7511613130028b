"""The routes behind the page Start-up, on a real server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orrery.testing.jupyter import jupyter_lab

ADDRESS = "/orrery-extension/start"
IDLE = [sys.executable, "-c", "import time; time.sleep(1000)"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "cont-init.d").mkdir()
    return folder


@pytest.fixture(scope="module")
def client(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    environment = {"ORRERY_DATA_DIR": str(data)}
    home = tmp_path_factory.mktemp("home")
    with jupyter_lab(home, data, command=IDLE, environment=environment) as server, server.client() as client:
        yield client


def test_a_stranger_sees_and_changes_nothing(client: httpx.Client) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("POST", "/executable"), ("GET", "/output?name=a")):
        assert (
            httpx.request(method, client.base_url.join(f"{ADDRESS}{path}"), trust_env=False, timeout=60).status_code
            == 403
        )


def test_a_script_is_made_executable_and_once(client: httpx.Client, data: Path) -> None:
    made = client.post(ADDRESS, json={"name": "10-setup.sh"})
    assert (made.status_code, made.json()) == (201, {"path": "cont-init.d"})
    assert os.access(data / "cont-init.d" / "10-setup.sh", os.X_OK)
    again = client.post(ADDRESS, json={"name": "10-setup.sh"})
    assert again.status_code == 409
    assert "there is a '10-setup.sh' in cont-init.d already" in again.json()["error"]["message"]
    assert {"name": "10-setup.sh", "is_executable": True} in client.get(ADDRESS).json()["scripts"]


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".hidden", "a.output", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(client: httpx.Client, data: Path, name: str) -> None:
    before = sorted(data.rglob("*"))
    for path in ("", "/executable"):
        assert client.post(f"{ADDRESS}{path}", json={"name": name}).status_code == 409
    assert [path for path in sorted(data.rglob("*")) if path.parent == data / "cont-init.d"] == [
        path for path in before if path.parent == data / "cont-init.d"
    ]


def test_no_link_is_followed(client: httpx.Client, data: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    (data / "cont-init.d" / "20-link").symlink_to(secret)
    (data / "cont-init.d" / "20-link.output").symlink_to(secret)
    assert client.post(f"{ADDRESS}/executable", json={"name": "20-link"}).status_code == 409
    assert secret.stat().st_mode & 0o111 == 0
    assert client.get(f"{ADDRESS}/output", params={"name": "20-link"}).status_code == 404


def test_output_is_the_end_unless_all_is_asked_for(client: httpx.Client, data: Path) -> None:
    text = "".join(f"{number}\n" for number in range(20_000))
    (data / "cont-init.d" / "30-long.output").write_text(text)
    end = client.get(f"{ADDRESS}/output", params={"name": "30-long"}).json()
    assert text.endswith(end["text"])
    assert end["left_out"] == len(text) - len(end["text"]) > 0
    whole = client.get(f"{ADDRESS}/output", params={"name": "30-long", "all": "1"}).json()
    assert (whole["text"], whole["left_out"]) == (text, 0)


def test_a_server_without_a_data_volume_says_so(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    environment = {"ORRERY_DATA_DIR": ""}
    with jupyter_lab(tmp_path / "home", tmp_path / "lab", command=IDLE, environment=environment) as server:
        with server.client() as client:
            assert "no data volume" in client.get(ADDRESS).json()["message"]
            assert client.post(ADDRESS, json={"name": "10-a"}).status_code == 404
