"""Dashboards and TensorBoards from the SDK and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import orrery
from orrery.errors import Invalid, WrongPhase
from orrery.testing.apps import inside, slider_notebook
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with RunningPlatform(tmp_path_factory.mktemp("h")) as running:
        yield running


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[orrery.Client]:
    with orrery.Client(platform.url, platform.announcement["token"]) as made:
        yield made


def run(platform: RunningPlatform, *words: str) -> str:
    environment = {**os.environ, "ORRERY_HOME": str(platform.home)}
    command = [sys.executable, "-m", "orrery", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_notebook_is_published_with_its_data_and_opened(
    platform: RunningPlatform, client: orrery.Client, tmp_path: Path
) -> None:
    notebook = tmp_path / "report.ipynb"
    notebook.write_bytes(slider_notebook())
    (tmp_path / "helper.py").write_text("VALUE = 1\n")
    client.datasets.create("iris", {"data.csv": b"a,b\n1,2\n3,4\n"}, publish=True, progress=False)
    made = client.dashboards.create(
        "sdk", [notebook, tmp_path / "helper.py"], datasets={"train": "iris"}, visibility="public", progress=False
    )
    assert [file["path"] for file in made.spec["files"]] == ["report.ipynb", "helper.py"]
    address = made.open()
    assert address.startswith(f"{platform.url}/apps/{made.id}/~")
    page = httpx.get(inside(address), timeout=120)
    assert page.status_code == 200 and "A small report" in page.text and "import ipywidgets" not in page.text
    made.stop().wait(progress=False)
    with pytest.raises(WrongPhase, match="is stopped"):
        made.open()
    dataset = client.datasets.get("iris")
    with pytest.raises(Invalid, match="a dataset has nothing to open"):
        from orrery.client.apps import open_app

        open_app(dataset)


def test_the_command_line_publishes_and_opens(platform: RunningPlatform, tmp_path: Path) -> None:
    notebook = tmp_path / "report.ipynb"
    notebook.write_bytes(slider_notebook())
    words = ("dashboard", "publish", "cli", str(notebook), "-p", "rounds=7", "--show-code", "--idle-minutes", "2")
    url = run(platform, *words)
    assert url.startswith(f"{platform.url}/apps/dsh_")
    address = inside(run(platform, "open", "dashboard/cli"))
    page = httpx.get(address, timeout=120)
    assert page.status_code == 200 and "IntSlider(value=7" in page.text
    assert "ipywidgets" in page.text, "the code is shown"
    assert run(platform, "open") == platform.url
    run(platform, "delete", "dashboard", "cli", "--yes")
    wait_until(lambda: has_closed(address), what="its address leads nowhere any more")


def has_closed(address: str) -> bool:
    try:
        return httpx.get(address, timeout=120).status_code == 503
    except httpx.RemoteProtocolError:
        return False  # its program was ended in the middle of this answer
