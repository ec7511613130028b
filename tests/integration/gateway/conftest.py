"""A gateway of its own for each test, and a model that its replicas serve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.gateway.parts import World

from orrery.testing import linear
from orrery.testing.listening import Listening


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "m"
    return linear.save(folder, [{"name": "a"}, {"name": "b"}], [[1, 0], [0, 1]], [0, 0], ["x", "y"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    with Listening(lambda: world.platform, socket=world.platform_socket, sweep_seconds=0.1) as listening:
        world.start()
        try:
            yield world
        finally:
            world.stop()
            listening.stop()
