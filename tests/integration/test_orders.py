"""Lists ordered by what trainings reached and were given, and without the trials of tunings; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orrery.domain.catalogue import KINDS
from orrery.domain.ids import make_id
from orrery.domain.records import Record, Reference
from orrery.errors import Invalid
from orrery.store.database import Database
from orrery.store.resources import ResourceStore
from orrery.store.rows import Query

START = datetime(2026, 1, 1, tzinfo=UTC)
VALUES: list[Any] = [0.5, 3, -1.25, "adam", True, None, 0.5, "NaN", 12, "sgd", 0.5]


@pytest.fixture
def store(database: Database) -> ResourceStore:
    return ResourceStore(database, KINDS, clock=lambda: START)


def make(store: ResourceStore, kind: str, name: str, references: tuple[Reference, ...] = (), **changes: Any) -> Record:
    declared = KINDS.named(kind)
    values: dict[str, Any] = {
        **{"id": make_id(declared.prefix), "kind": kind, "owner": "alice", "name": name, "version": 0, "spec": {}},
        **{"phase": declared.machine.initial, "created_at": START, "updated_at": START},
    }
    record = Record(**values | changes)
    return store.create(record, references)


def walk(store: ResourceStore, order: str) -> list[Record]:
    """All of them, three a page."""
    seen: list[Record] = []
    cursor = None
    while True:
        page = store.list(Query(kind="training", order=order, limit=3, cursor=cursor))
        seen += page.items
        if (cursor := page.next) is None:
            return seen


@pytest.mark.parametrize(("field", "name"), [("metric", "log.loss 'x'"), ("parameter", "rate_at")])
def test_values_of_any_type_are_ordered_without_gap_or_repetition(store: ResourceStore, field: str, name: str) -> None:
    for number, value in enumerate(VALUES):
        inside = {} if value is None else {name: value}
        part: dict[str, Any] = (
            {"outputs": {"metrics": inside}} if field == "metric" else {"spec": {"parameters": inside}}
        )
        make(store, "training", f"t-{number}", (), **part)

    def shown(order: str) -> list[Any]:
        records = walk(store, order)
        assert len({record.id for record in records}) == len(VALUES)
        documents = [
            record.outputs["metrics"] if field == "metric" else record.spec["parameters"] for record in records
        ]
        return [document.get(name) for document in documents]

    upwards, downwards = shown(f"{field}.{name}"), shown(f"-{field}.{name}")
    assert upwards[:6] == [-1.25, 0.5, 0.5, 0.5, 3, 12]
    assert downwards[:6] == [12, 3, 0.5, 0.5, 0.5, -1.25]
    # how texts compare is the database's own matter; they come before those without a value
    assert upwards[6:-1] == list(reversed(downwards[6:-1]))
    assert {str(value) for value in upwards[6:-1]} == {"adam", "True", "NaN", "sgd"}
    assert upwards[-1] is None and downwards[-1] is None


@pytest.mark.parametrize("order", ["metric.", 'parameter.a"b', "metrics.a"])
def test_what_is_no_order_is_refused(store: ResourceStore, order: str) -> None:
    with pytest.raises(Invalid, match="order"):
        store.list(Query(kind="training", order=order))


def test_the_trials_of_tunings_are_left_out_and_not_counted(store: ResourceStore) -> None:
    tuning = make(store, "tuning", "search")
    make(store, "training", "alone")
    for number in range(3):
        edge = Reference("trial.tuning", "tuning", tuning.id)
        make(store, "training", f"search-{number}", (edge,), spec={"trial": {"tuning": tuning.id, "number": number}})
    query = Query(kind="training", without="trial.tuning", order="name", limit=2)
    page = store.list(query)
    assert ([record.name for record in page.items], page.next) == (["alone"], None)
    assert sum(store.count_by_phase(query).values()) == 1
    assert len(store.list(Query(kind="training")).items) == 4


def test_what_refers_to_one_resource_is_listed_page_by_page(store: ResourceStore) -> None:
    first, second = (make(store, "experiment", name) for name in ("first", "second"))
    for number in range(3):
        make(store, "training", f"run-{number}", (Reference("experiment", "experiment", first.id),))
    make(store, "training", "other", (Reference("experiment", "experiment", second.id),))
    make(store, "training", "alone")
    query = Query(kind="training", refers_to=first.id, order="name", limit=2)
    page = store.list(query)
    assert [record.name for record in page.items] == ["run-0", "run-1"]
    assert sum(store.count_by_phase(query).values()) == 3
    assert [record.name for record in store.list(replace(query, cursor=page.next)).items] == ["run-2"]
    assert store.list(Query(kind="tuning", refers_to=first.id)).items == []
