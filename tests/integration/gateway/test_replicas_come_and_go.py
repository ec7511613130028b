"""The gateway loses no request while replicas are replaced, stopped or killed."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from pathlib import Path

import pytest
from tests.integration.gateway.parts import PREDICT, ROWS, World, one

from orrery.gateway.routes import Deployment, Replica
from orrery.serving.http import Exchange
from orrery.testing.http import Answer, RawClient, call
from orrery.testing.listening import Listening
from orrery.testing.waiting import wait_until


class Load:
    """Clients that call without a pause until told to stop, and remember every answer."""

    def __init__(self, port: int, clients: int = 4) -> None:
        self.answers: list[Answer] = []
        self.failures: list[str] = []
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self) -> None:
        with RawClient(self._port) as client:
            while not self._stop.is_set():
                try:
                    self.answers.append(client.request("POST", PREDICT, ROWS))
                except (OSError, EOFError) as error:
                    self.failures.append(str(error))
                    return

    def more(self, count: int = 100) -> None:
        """Wait for that many further answers."""
        wanted = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= wanted or bool(self.failures), what=f"{count} answers")

    def check(self) -> None:
        assert not self.failures
        assert Counter(answer.status for answer in self.answers) == {200: len(self.answers)}
        assert all(answer.body == b'{"predictions":["x"]}' for answer in self.answers)


def test_no_request_is_lost_while_replicas_are_replaced(world: World, package: Path) -> None:
    current = world.replica("r0", package)
    world.publish(one([Deployment("d", "m", 1, 100, (current,))]))
    with Load(world.port) as load:
        for turn in (1, 2, 3):
            load.more()
            following = world.replica(f"r{turn}", package)
            world.publish(one([Deployment("d", "m", 1, 100, (following,))]))
            world.replicas[current.id].signal(signal.SIGTERM)
            load.more()
            assert world.replicas[current.id].wait() == 0
            current = following
    load.check()


def test_no_request_is_lost_when_a_replica_stops_before_the_routes_say_so(world: World, package: Path) -> None:
    replicas = tuple(world.replica(name, package) for name in ("a", "b"))
    world.publish(one([Deployment("d", "m", 1, 100, replicas)]))
    with Load(world.port) as load:
        load.more()
        world.replicas["a"].signal(signal.SIGTERM)
        assert world.replicas["a"].wait() == 0
        load.more()
    load.check()


@pytest.mark.parametrize("replica_count", [2, 1])
def test_no_request_is_lost_when_a_replica_is_killed(world: World, package: Path, replica_count: int) -> None:
    replicas = tuple(world.replica(f"r{i}", package) for i in range(replica_count))
    world.publish(one([Deployment("d", "m", 1, 100, replicas)]))
    with Load(world.port) as load:
        load.more()
        world.replicas["r0"].signal(signal.SIGKILL)
        if replica_count > 1:
            load.more()
        world.replicas["r0"].wait()
        (world.folder / "r0.sock").unlink(missing_ok=True)
        world.replica("r0", package)
        load.more()
    load.check()


def test_a_request_that_kills_replicas_does_not_get_at_all_of_them(world: World, tmp_path: Path) -> None:
    class Dies:
        deaths = 0

        def on_request(self, exchange: Exchange) -> None:
            self.deaths += 1
            exchange.abort()

    dies = Dies()
    with Listening(lambda: dies, socket=tmp_path / "dies.sock"):
        replicas = tuple(Replica(f"r{i}", f"unix:{tmp_path / 'dies.sock'}") for i in range(8))
        world.publish(one([Deployment("d", "m", 1, 100, replicas)]))
        answer = call(world.port, "POST", PREDICT, ROWS)
        assert (answer.status, answer.json["error"]["code"]) == (502, "replica_lost")  # type: ignore[index]
        assert dies.deaths == 3
