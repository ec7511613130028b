"""A notebook is found by its server's name, whatever it is called by now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event

from orrery.api.assembly import Assembly, assemble
from orrery.controllers.settings import Settings
from orrery.domain.ids import make_id
from orrery.domain.records import Record

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def assembly(tmp_path: Path) -> Iterator[Assembly]:
    made = assemble(Settings(home=tmp_path), mode="hub")
    yield made
    made.platform.store.database.close()


def make(assembly: Assembly, name: str, server: str) -> Record:
    record = Record(
        id=make_id("nbk"),
        kind="notebook",
        owner="ann",
        name=name,
        version=0,
        spec={"instance_type": "cpu-small"},
        phase="ACTIVE_HEALTHY",
        outputs={"server": server},
        created_at=NOW,
        updated_at=NOW,
    )
    return assembly.platform.store.create(record, ())


def test_a_renamed_one_and_one_in_the_trash_are_found_and_whoever_has_the_name_now_is_not(assembly: Assembly) -> None:
    find, store = assembly.notebooks.find, assembly.platform.store
    lab = make(assembly, "lab", "lab")
    assert find("ann", "lab") == lab
    store.update(lab.id, lambda record: replace(record, name="old"))
    newer = make(assembly, "lab", f"lab-{lab.id[-6:]}")
    found = find("ann", "lab")
    assert found is not None and found.id == lab.id
    found = find("ann", newer.outputs["server"])
    assert found is not None and found.id == newer.id
    store.update(lab.id, lambda record: replace(record, deleted_at=NOW))
    found = find("ann", "lab")
    assert found is not None and found.id == lab.id and found.deleted_at == NOW
    assert find("ann", "none") is None and find("bob", "lab") is None


def test_it_is_looked_up_by_name_alone(assembly: Assembly) -> None:
    """However many somebody has."""
    wanted = make(assembly, "n-7", "n-7")
    for number in range(20):
        make(assembly, f"other-{number}", f"other-{number}")
    asked: list[str] = []
    engine = assembly.platform.store.database.engine
    event.listen(engine, "before_cursor_execute", lambda c, cursor, statement, *rest: asked.append(statement))
    assert assembly.notebooks.find("ann", "n-7") == wanted
    assert [
        statement for statement in asked if "FROM resources" in statement and "resources.name =" not in statement
    ] == []
