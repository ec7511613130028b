"""The store's promises, on SQLite and on PostgreSQL."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from orrery.controllers.jobs import attempts_before, metric_history
from orrery.domain.access import User, Visibility
from orrery.domain.catalogue import KINDS
from orrery.domain.ids import make_id
from orrery.domain.records import Record, Reference
from orrery.errors import InUse, Invalid, NameTaken, NotFound, Stale
from orrery.store import tables
from orrery.store.database import Database, open_database
from orrery.store.events import EventLog, may_see
from orrery.store.metrics import MetricStore, Point
from orrery.store.outbox import OutboxStore
from orrery.store.resources import ResourceStore
from orrery.store.rows import Query

START = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(minutes=1)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Database, clock: Clock) -> Iterator[ResourceStore]:
    yield ResourceStore(database, KINDS, clock=clock)


def make(kind: str = "experiment", name: str = "a", **changes: Any) -> Record:
    declared = KINDS.named(kind)
    record = Record(
        id=make_id(declared.prefix),
        kind=kind,
        owner="alice",
        name=name,
        version=0,
        spec={},
        phase=declared.machine.initial,
        created_at=START,
        updated_at=START,
    )
    return replace(record, **changes)


def test_what_is_created_is_read_back_whole(store: ResourceStore) -> None:
    record = make(spec={"a": [1, {"b": "ü"}]}, tags=("x", "y"), description="d", outputs={"n": None}, internal={"i": 1})
    store.create(record, ())
    assert store.get(record.id) == record
    assert store.find_named("experiment", ["alice"], "a") == record


def test_the_schema_is_what_the_migrations_make(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": False})
        differences = compare_metadata(context, tables.metadata)
    assert differences == []


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    open_database(database_url).close()
    open_database(database_url).close()


def test_a_loss_that_was_to_be_large_because_nobody_said_otherwise_is_to_be_small(
    store: ResourceStore, database: Database
) -> None:
    def metrics(**goals: str) -> list[dict[str, str]]:
        return [{"name": name, "goal": goal, "title": "é", "pattern": ""} for name, goal in goals.items()]

    old = store.create(
        make("algorithm", "old", spec={"metrics": metrics(val_loss="maximize", f1="maximize", mae="minimize")}), ()
    )
    other = store.create(make("algorithm", "other", spec={"metrics": metrics(accuracy="maximize"), "files": []}), ())
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0004'"))
    database.migrate()
    migrated = store.get(old.id)
    assert migrated.spec["metrics"] == metrics(val_loss="minimize", f1="maximize", mae="minimize")
    assert migrated.etag == old.etag + 1
    assert store.get(other.id) == other


def test_a_name_is_taken_once_per_owner_and_kind_and_free_again_in_the_trash(store: ResourceStore) -> None:
    first = store.create(make(), ())
    with pytest.raises(NameTaken, match="experiment alice/a exists already"):
        store.create(make(), ())
    store.create(make(owner="bob"), ())
    store.trash([first.id], lambda record: replace(record, deleted_at=START))
    second = store.create(make(), ())
    with pytest.raises(NameTaken):
        store.update(first.id, lambda record: replace(record, deleted_at=None))
    assert store.find_named("experiment", ["alice"], "a") == second


def test_versions_count_up_and_are_never_given_twice(store: ResourceStore) -> None:
    created = [store.create(make("model", "m"), ()) for _ in range(3)]
    assert [record.version for record in created] == [1, 2, 3]
    store.trash([created[2].id], lambda record: replace(record, deleted_at=START))
    assert store.create(make("model", "m"), ()).version == 4
    latest = store.find_named("model", ["alice"], "m")
    assert latest is not None and latest.version == 4
    exact = store.find_named("model", ["alice"], "m", 2)
    assert exact is not None and exact.id == created[1].id


def test_versions_made_at_once_all_differ(store: ResourceStore) -> None:
    made: list[int] = []
    threads = [
        threading.Thread(target=lambda: made.append(store.create(make("model", "m"), ()).version)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == list(range(1, 9))


def test_an_update_counts_the_etag_and_refuses_a_stale_one(store: ResourceStore) -> None:
    record = store.create(make(), ())
    changed = store.update(record.id, lambda fresh: replace(fresh, description="new"), etag=1)
    assert (changed.etag, changed.description) == (2, "new")
    with pytest.raises(Stale, match="changed meanwhile"):
        store.update(record.id, lambda fresh: fresh, etag=1)


def test_the_same_idempotency_key_is_answered_once(store: ResourceStore) -> None:
    first = store.create(make(), (), idempotency=("alice", "k", "f"))
    again = store.create(make(), (), idempotency=("alice", "k", "f"))
    assert again.id == first.id
    with pytest.raises(Stale, match="used for another request"):
        store.create(make(name="b"), (), idempotency=("alice", "k", "g"))
    assert store.create(make(owner="bob"), (), idempotency=("bob", "k", "f")).id != first.id


def test_the_deletion_graph(store: ResourceStore) -> None:
    """dataset <- version <- training <- model <- endpoint."""
    dataset = store.create(make("dataset", "d"), ())
    version = store.create(make("dataset-version", "d"), [Reference("dataset", "dataset", dataset.id)])
    training = store.create(make("training", "t"), [Reference("datasets.train", "dataset-version", version.id)])
    model = store.create(make("model", "m"), [Reference("training", "training", training.id)])
    assert [record.id for record in store.dependents(dataset.id)] == [version.id]
    assert [record.id for record in store.dependents(dataset.id, deep=True)] == [version.id, training.id, model.id]
    stamp = lambda record: replace(record, deleted_at=START)  # noqa: E731
    with pytest.raises(InUse, match="in use by dataset-version alice/d@1"):
        store.trash([dataset.id], stamp)
    assert store.get(dataset.id).deleted_at is None
    moved = store.trash([dataset.id, version.id, training.id, model.id], stamp)
    assert len(moved) == 4
    assert store.dependents(dataset.id, deep=True) == []
    with pytest.raises(NotFound):
        store.get(dataset.id)
    assert store.get(dataset.id, trashed=True).deleted_at == START
    edges = store.references_of([training.id])[training.id]
    assert [(edge.path, target.id) for edge, target in edges] == [("datasets.train", version.id)]


def test_a_reference_to_what_was_deleted_meanwhile_is_refused(store: ResourceStore) -> None:
    dataset = store.create(make("dataset", "d"), ())
    store.trash([dataset.id], lambda record: replace(record, deleted_at=START))
    with pytest.raises(NotFound, match="is no longer there"):
        store.create(make("dataset-version", "d"), [Reference("dataset", "dataset", dataset.id)])
    assert store.list(Query(kind="dataset-version")).items == []


def test_purging_forgets_everything_but_the_event(store: ResourceStore, database: Database) -> None:
    oid = "e" * 64
    record = store.create(make(spec={"files": [{"oid": oid}]}), ())
    MetricStore(database).add(record.id, 1, [Point("loss", 1, 0, 0.5, START)])
    assert store.held_objects() == {oid}
    store.trash([record.id], lambda fresh: replace(fresh, deleted_at=START))
    assert store.held_objects() == {oid}
    store.purge(record.id)
    assert store.find(record.id) is None
    assert store.held_objects() == set()
    assert MetricStore(database).history(record.id, 1) == []
    last = EventLog(database).after(0)[-1]
    assert (last.type, last.record) == ("purged", None)
    assert may_see(User("alice"), last) and not may_see(User("bob"), last)


@pytest.mark.parametrize("order", ["-created_at", "created_at", "name", "-name", "phase", "-updated_at", "owner"])
def test_pages_follow_one_another_without_gap_or_repetition(store: ResourceStore, order: str) -> None:
    for number in range(25):
        moment = START + timedelta(seconds=number // 3)
        store.create(make(name=f"n{number:02}", created_at=moment, updated_at=moment), ())
    seen: list[Record] = []
    cursor = None
    pages = 0
    while True:
        page = store.list(Query(kind="experiment", order=order, limit=7, cursor=cursor))
        seen += page.items
        pages += 1
        cursor = page.next
        if cursor is None:
            break
    assert pages == 4
    assert len({record.id for record in seen}) == 25
    keys = [(getattr(record, order.lstrip("-")), record.id) for record in seen]
    assert keys == sorted(keys, reverse=order.startswith("-"))


def test_lists_filter_and_hide_what_is_not_the_viewers(store: ResourceStore) -> None:
    store.create(make(name="mine", tags=("a", "b")), ())
    store.create(make(name="100%_sure", description="About Owls"), ())
    store.create(make(name="theirs", owner="bob"), ())
    store.create(make(name="shared", owner="bob", visibility=Visibility.PUBLIC), ())
    store.create(make(name="labs", owner="bob", visibility=Visibility.GROUP, group="lab"), ())

    def names(**query: Any) -> set[str]:
        return {record.name for record in store.list(Query(kind="experiment", **query)).items}

    assert names(viewer=User("alice")) == {"mine", "100%_sure", "shared"}
    assert names(viewer=User("alice", frozenset({"lab"}))) == {"mine", "100%_sure", "shared", "labs"}
    assert len(names(viewer=User("root", admin=True))) == 5
    assert names(tag="a") == {"mine"} and names(tag="c") == set()
    assert names(text="owl") == {"100%_sure"} and names(text="%_") == {"100%_sure"}
    assert names(owner="bob", viewer=User("alice")) == {"shared"}
    assert names(phases=frozenset({"ACTIVE"})) == set()
    assert store.count_by_phase(Query(viewer=User("alice"))) == {("experiment", "CREATE_REQUESTED"): 3}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (Query(order="size"), "order 'size' is unknown"),
        (Query(limit=0), "limit 0 is out of range"),
        (Query(cursor="xyz"), "cursor 'xyz' was not given"),
    ],
)
def test_a_bad_list_request_is_refused(store: ResourceStore, query: Query, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        store.list(query)


def test_a_lease_is_held_by_one_and_runs_out(store: ResourceStore, clock: Clock) -> None:
    record = store.create(make(), ())
    (lease,) = store.leases.take_due(10, LEASE)
    assert lease.record.id == record.id
    assert store.leases.take_due(10, LEASE) == []
    clock.advance(61)
    (second,) = store.leases.take_due(10, LEASE)
    assert store.leases.apply(lease, lambda fresh: replace(fresh, phase="ACTIVE"), again_at=None) is None
    assert store.get(record.id).phase == "CREATE_REQUESTED"
    applied = store.leases.apply(second, lambda fresh: replace(fresh, phase="ACTIVE"), again_at=None)
    assert applied is not None and store.get(record.id).phase == "ACTIVE"
    assert store.leases.take_due(10, LEASE) == []


def test_what_a_dead_predecessor_had_leased_is_free_again_at_its_restart(database: Database, clock: Clock) -> None:
    first = ResourceStore(database, KINDS, clock=clock, instance="here")
    other = ResourceStore(database, KINDS, clock=clock, instance="there")
    mine = first.create(make(name="mine"), ())
    (lease,) = first.leases.take_due(10, LEASE)
    theirs = other.create(make(name="theirs"), ())
    assert [held.record.id for held in other.leases.take_due(10, LEASE)] == [theirs.id]
    restarted = ResourceStore(database, KINDS, clock=clock, instance="here")
    restarted.leases.release()
    assert [again.record.id for again in restarted.leases.take_due(10, LEASE)] == [mine.id]
    assert restarted.leases.apply(lease, lambda fresh: replace(fresh, phase="ACTIVE"), again_at=None) is None


def test_reconcilers_that_race_take_each_record_once(store: ResourceStore) -> None:
    for number in range(40):
        store.create(make(name=f"n{number}"), ())
    taken: list[str] = []

    def take() -> None:
        while leases := store.leases.take_due(3, LEASE):
            taken.extend(lease.record.id for lease in leases)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 40


def test_a_wake_during_a_turn_is_not_lost(store: ResourceStore, clock: Clock) -> None:
    record = store.create(make(), ())
    (lease,) = store.leases.take_due(10, LEASE)
    store.leases.wake(record.id)
    store.leases.apply(lease, lambda fresh: fresh, again_at=clock.now + timedelta(hours=1))
    assert len(store.leases.take_due(10, LEASE)) == 1


def test_a_result_for_later_is_due_later(store: ResourceStore, clock: Clock) -> None:
    store.create(make(), ())
    (lease,) = store.leases.take_due(10, LEASE)
    store.leases.apply(lease, lambda fresh: fresh, again_at=clock.now + timedelta(seconds=5))
    assert store.leases.take_due(10, LEASE) == []
    assert store.leases.next_due() == clock.now + timedelta(seconds=5)
    clock.advance(6)
    assert len(store.leases.take_due(10, LEASE)) == 1


def test_events_are_numbered_resumable_and_folded(store: ResourceStore, database: Database) -> None:
    log = EventLog(database)
    first = store.create(make(name="a"), ())
    store.update(first.id, lambda record: replace(record, description="x"))
    second = store.create(make(name="b"), ())
    events = log.after(0)
    assert [(event.type, event.resource_id) for event in events] == [("created", first.id), ("created", second.id)]
    assert events[0].record is not None and events[0].record.description == "x"
    last = events[-1].id
    assert log.after(last) == []
    store.update(first.id, lambda record: replace(record, description="y"))
    assert [event.type for event in log.after(last)] == ["updated"]
    assert log.latest() == log.after(last)[-1].id


def test_old_events_are_pruned(store: ResourceStore, database: Database, clock: Clock) -> None:
    store.create(make(name="a"), ())
    clock.advance(8 * 24 * 3600)
    store.create(make(name="b"), ())
    assert EventLog(database).prune(clock.now) == 1
    assert len(EventLog(database).after(0)) == 1


def test_metrics_keep_nan_and_infinity_and_are_added_once(store: ResourceStore, database: Database) -> None:
    metrics = MetricStore(database)
    record = store.create(make(), ())
    values = [0.5, math.nan, math.inf, -math.inf, 1e308]
    points = [Point("loss", position, position, value, START) for position, value in enumerate(values)]
    metrics.add(record.id, 1, points)
    metrics.add(record.id, 1, points)
    read = [point.value for point in metrics.history(record.id, 1)]
    assert [repr(value) for value in read] == [repr(value) for value in values]
    assert metrics.history(record.id, 2) == []


def test_the_history_of_a_resumed_run_begins_with_what_it_goes_on_from(
    store: ResourceStore, database: Database
) -> None:
    metrics = MetricStore(database)
    record = store.create(make(), ())
    for attempt, steps in ((1, [0, 1, 2]), (2, [0]), (3, [0, 1, 2, 3]), (4, [2, 3, 4])):
        metrics.add(record.id, attempt, [Point("loss", step, step, 10.0 * attempt + step, START) for step in steps])
    metrics.add(record.id, 3, [Point("early", 100, None, 1.0, START)])
    resumed = replace(record, internal={"attempt": 4, "goes_on_from": [3]})
    found = metric_history(metrics, resumed)
    assert [point.value for point in found["loss"]] == [30.0, 31.0, 42.0, 43.0, 44.0]
    assert [point.value for point in found["early"]] == [1.0]
    begun_anew = replace(record, internal={"attempt": 4, "goes_on_from": []})
    assert [point.value for point in metric_history(metrics, begun_anew)["loss"]] == [42.0, 43.0, 44.0]
    assert attempts_before(resumed) == [3, 4]


def test_the_outbox_holds_a_message_once_until_it_is_done(database: Database) -> None:
    outbox = OutboxStore(database)
    outbox.put("training", "trn_1")
    outbox.put("training", "trn_1")
    outbox.put("model", "mdl_1")
    assert [(message.topic, message.resource_id) for message in outbox.pending()] == [
        ("training", "trn_1"),
        ("model", "mdl_1"),
    ]
    outbox.done(outbox.pending()[0].id)
    assert [message.topic for message in outbox.pending()] == ["model"]
