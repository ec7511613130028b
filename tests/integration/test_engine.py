"""The reconciling loop: turns, back-off, wakes, and controllers that fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orrery.controllers.contract import Controller, Outcome
from orrery.controllers.engine import MOST_TURNS, Engine, backoff_seconds
from orrery.domain.catalogue import KINDS
from orrery.domain.experiments import EXPERIMENT
from orrery.domain.ids import make_id
from orrery.domain.records import Record
from orrery.errors import Unavailable
from orrery.store.database import open_database
from orrery.store.resources import ResourceStore
from orrery.store.rows import Query

START = datetime(2026, 1, 1, tzinfo=UTC)


class Scripted(Controller):
    """A controller that does what the test says."""

    kind = EXPERIMENT

    def __init__(self, turn: Callable[[Record], Outcome]) -> None:
        self.turn = turn
        self.turns: list[str] = []

    def reconcile(self, record: Record) -> Outcome:
        self.turns.append(record.phase)
        return self.turn(record)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    database = open_database(f"sqlite:///{tmp_path / 'orrery.db'}")
    yield ResourceStore(database, KINDS)
    database.close()


def create(store: ResourceStore, name: str = "a") -> Record:
    now = store.clock()
    return store.create(
        Record(make_id("exp"), "experiment", "alice", name, 0, {}, "CREATE_REQUESTED", created_at=now, updated_at=now),
        (),
    )


async def run_until(engine: Engine, condition: Callable[[], bool]) -> None:
    """Run the loop until the condition holds."""
    running = asyncio.create_task(engine.run())
    try:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def accept(record: Record) -> Outcome:
    return Outcome(event={"CREATE_REQUESTED": "accepted", "CREATE_IN_PROGRESS": "created"}.get(record.phase))


def test_a_resource_is_moved_until_it_rests(store: ResourceStore) -> None:
    controller = Scripted(accept)
    record = create(store)
    engine = Engine(store, {"experiment": controller})
    asyncio.run(run_until(engine, lambda: store.get(record.id).phase == "ACTIVE"))
    assert controller.turns[:2] == ["CREATE_REQUESTED", "CREATE_IN_PROGRESS"]
    assert store.get(record.id).attempts == 0


def test_a_turn_that_fails_is_tried_again_and_its_reason_shown(store: ResourceStore) -> None:
    failures = iter([Unavailable("the disk is away"), RuntimeError("oops")])
    seen: list[str] = []

    def turn(record: Record) -> Outcome:
        seen.append(record.message)
        failure = next(failures, None)
        if failure is not None:
            raise failure
        return accept(record)

    record = create(store)
    engine = Engine(store, {"experiment": Scripted(turn)})
    asyncio.run(run_until(engine, lambda: store.get(record.id).phase == "ACTIVE"))
    assert seen[:3] == ["", "the disk is away (trying again)", "RuntimeError: oops (trying again)"]
    assert store.get(record.id).message == ""


def test_the_delay_grows_to_a_limit() -> None:
    delays = [backoff_seconds(attempts) for attempts in range(1, 15)]
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (0.5, 120.0)


def test_what_the_user_did_during_a_turn_wins(store: ResourceStore) -> None:
    """The turn says 'created', but the user's event was first: the turn's event is dropped, its findings kept."""
    record = create(store)

    def turn(seen: Record) -> Outcome:
        if seen.phase == "CREATE_REQUESTED":
            store.update(seen.id, lambda fresh: EXPERIMENT.machine.step(fresh, "failed", store.clock()))
            return Outcome(event="accepted", outputs={"found": 1})
        return Outcome()

    engine = Engine(store, {"experiment": Scripted(turn)})
    asyncio.run(run_until(engine, lambda: store.get(record.id).outputs == {"found": 1}))
    assert store.get(record.id).phase == "CREATE_FAILED"


def test_a_wake_brings_a_waiting_resource_forward(store: ResourceStore) -> None:
    controller = Scripted(lambda record: Outcome(again_in_seconds=3600))
    record = create(store)
    engine = Engine(store, {"experiment": controller})

    async def scenario() -> None:
        running = asyncio.create_task(engine.run())
        async with asyncio.timeout(10):
            while len(controller.turns) < 1:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(engine.wake_resource, record.id)
            while len(controller.turns) < 2:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())


def test_a_lease_left_by_a_dead_platform_runs_out(store: ResourceStore) -> None:
    record = create(store)
    assert len(store.leases.take_due(1, timedelta(minutes=5))) == 1
    later = ResourceStore(store.database, KINDS, clock=lambda: datetime.now(UTC) + timedelta(minutes=6))
    engine = Engine(later, {"experiment": Scripted(accept)})
    asyncio.run(run_until(engine, lambda: store.get(record.id).phase == "ACTIVE"))


def test_a_record_with_more_to_do_keeps_its_lease_and_lets_others_go_first_after_some_turns(
    store: ResourceStore,
) -> None:
    first, second = create(store, "a"), create(store, "b")
    order: list[str] = []

    def restless(record: Record) -> Outcome:
        order.append(record.id)
        return Outcome(again_in_seconds=0)

    engine = Engine(store, {"experiment": Scripted(restless)}, workers=1)
    asyncio.run(run_until(engine, lambda: len(order) > 3 * MOST_TURNS))
    assert set(order[:MOST_TURNS]) == {first.id}
    assert set(order[MOST_TURNS : 2 * MOST_TURNS]) == {second.id}


def test_a_wake_during_a_turn_does_not_make_the_loop_spin(store: ResourceStore) -> None:
    create(store)
    looks = 0
    is_inside, may_end = threading.Event(), threading.Event()

    def slow(record: Record) -> Outcome:
        is_inside.set()
        may_end.wait(10)
        return Outcome()

    engine = Engine(store, {"experiment": Scripted(slow)})
    next_due = store.leases.next_due

    def counted() -> datetime | None:
        nonlocal looks
        looks += 1
        return next_due()

    store.leases.next_due = counted

    async def scenario() -> None:
        running = asyncio.create_task(engine.run())
        await asyncio.to_thread(is_inside.wait, 10)
        before = looks
        for _ in range(5):
            await asyncio.to_thread(engine.wake_resource, record.id)
        async with asyncio.timeout(10):
            while looks == before:
                await asyncio.sleep(0.01)
        for _ in range(50):  # as long as fifty looks take
            await asyncio.to_thread(next_due)
        assert looks - before <= 10
        may_end.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    record = store.list(Query(kind="experiment")).items[0]
    asyncio.run(scenario())


def test_an_impossible_event_is_shown_and_not_applied(store: ResourceStore) -> None:
    record = create(store)
    engine = Engine(store, {"experiment": Scripted(lambda _: Outcome(event="created"))})
    asyncio.run(run_until(engine, lambda: store.get(record.id).attempts > 0))
    found = store.get(record.id)
    assert (found.phase, found.reason) == ("CREATE_REQUESTED", "invalid_transition")


def test_what_cannot_be_kept_is_said_and_tried_again(store: ResourceStore) -> None:
    record = create(store)
    engine = Engine(store, {"experiment": Scripted(lambda _: Outcome(outputs={"file": "bad\udcff"}))})
    asyncio.run(run_until(engine, lambda: store.get(record.id).attempts >= 1))
    found = store.get(record.id)
    assert (found.phase, found.reason) == ("CREATE_REQUESTED", "internal")
    assert found.message.startswith("UnicodeEncodeError: ")
    assert found.message.endswith("(trying again)")
