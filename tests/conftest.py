"""Fixtures that every test may use: homes, real platforms, a real JupyterHub."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty `$ORRERY_HOME`; its path is short, because sockets within it must stay under 108 characters."""
    folder = Path(tempfile.mkdtemp(prefix="orrery-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
