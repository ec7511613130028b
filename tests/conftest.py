"""Fixtures that every test may use: homes, real platforms, a real JupyterHub."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orrery.testing.hub import Hub, jupyter_hub


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


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
