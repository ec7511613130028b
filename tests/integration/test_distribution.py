"""What is shipped: the wheel and the sdist carry everything, and nothing that is only the checkout's."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from the sdist alone."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(folder))
    sdist = next(folder.glob("*.tar.gz"))
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    run(*pip, "--wheel-dir", str(folder), str(sdist))
    return folder


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def names(dist: Path) -> list[str]:
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        return wheel.namelist()


@pytest.mark.parametrize(
    "needed",
    [
        "share/jupyter/labextensions/@orrery/lab/package.json",
        "share/jupyter/labextensions/@orrery/lab/install.json",
        "share/jupyter/labextensions/@orrery/lab/static/style.js",
        "share/jupyter/labextensions/@orrery/lab/schemas/@orrery/lab/notifications.json",
        "etc/jupyter/jupyter_server_config.d/orrery.json",
        "etc/ipython/ipython_kernel_config.json",
        "share/jupyter/orrery/notebooks/algorithms/tabular/xgboost.ipynb",
        "share/jupyter/orrery/notebooks/dashboards/model-card.ipynb",
    ],
)
def test_the_wheel_installs_what_jupyter_finds_by_itself(names: list[str], needed: str) -> None:
    assert any(name.endswith(f".data/data/{needed}") for name in names)


@pytest.mark.parametrize(
    "needed",
    [
        "orrery/extension/app.py",
        "orrery/extension/voila/index.html.j2",
        "orrery/store/migrations/env.py",
        "orrery_hub/templates/signup.html",
        "orrery_hub/proxy/package-lock.json",
        "orrery_widgets/__init__.py",
    ],
)
def test_the_wheel_carries_all_three_packages_with_their_files(names: list[str], needed: str) -> None:
    assert needed in names


def test_the_wheel_carries_nothing_of_the_checkouts_own(names: list[str]) -> None:
    unwanted = ("/node_modules/", "__pycache__", ".tsbuildinfo", "tests/", "labextension/src")
    assert [name for name in names if any(word in name for word in unwanted)] == []


def test_the_wheel_has_the_command_and_the_spawner(dist: Path) -> None:
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        entry_points = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
        text = wheel.read(entry_points).decode()
    assert "orrery = orrery.client.cli:main" in text
    assert "orrery = orrery_hub.spawner:OrrerySpawner" in text


def test_the_sdist_carries_the_built_extension_and_its_source(dist: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        names = [name.partition("/")[2] for name in sdist.getnames()]
    assert "server_extension/orrery/labextension/static/style.js" in names
    assert "labextension/package-lock.json" in names
    assert not any("node_modules/" in name for name in names)
