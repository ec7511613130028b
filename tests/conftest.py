"""Fixtures that every test may use: homes, real platforms, a real JupyterHub."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orrery.testing.hub import Hub, jupyter_hub


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their parameter: what they hold may differ from process to process (a time, a signature)."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def no_home_of_ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the client writes without being told where does not reach the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORRERY_HOME", str(tmp_path_factory.mktemp("orrery-home")))
        yield


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty `$ORRERY_HOME`; its path is short, because sockets within it must stay under 108 characters."""
    folder = Path(tempfile.mkdtemp(prefix="orrery-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def hub() -> Iterator[Hub]:
    """One real JupyterHub for all tests; each makes accounts of its own, and `boss` would be an administrator."""
    folder = Path(tempfile.mkdtemp(prefix="orrery-hub-"))
    with jupyter_hub(folder) as hub:
        yield hub
    shutil.rmtree(folder, ignore_errors=True)
