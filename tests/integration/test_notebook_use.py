"""What notebooks use, kept and thinned; and the limits that hold for one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from orrery.controllers.settings import IdlePart, IdleSettings
from orrery.domain.catalogue import KINDS
from orrery.domain.ids import make_id
from orrery.domain.records import Record, utc_now
from orrery.store.database import Database, open_database
from orrery.store.notebook_use import Figures, NotebookUse, NotebookUseStore, merge
from orrery.store.resources import ResourceStore

NOW = 1_800_000_000
GIB = 1 << 30


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = open_database(database_url)
    yield database
    database.close()


@pytest.fixture
def notebook(database: Database) -> str:
    kind = KINDS.named("notebook")
    record = Record(
        id=make_id(kind.prefix),
        kind=kind.name,
        owner="alice",
        name="planets",
        version=0,
        phase="ACTIVE_HEALTHY",
        spec={},
        created_at=utc_now(),
        updated_at=utc_now(),
    )
    return ResourceStore(database, KINDS).create(record, []).id


def test_what_was_promised_outlives_reports_and_the_store(database: Database, notebook: str) -> None:
    uses = NotebookUseStore(database)
    uses.keep(notebook, NOW + 3600.0)
    use = NotebookUse(notebook, datetime.fromtimestamp(NOW, UTC), warned={"server": {"at": 1.0}}, report={"at": 2.0})
    uses.save(use)
    again = NotebookUseStore(database).find(notebook)
    assert (again.kept_until, again.warned, again.report) == (NOW + 3600.0, {"server": {"at": 1.0}}, {"at": 2.0})


def test_a_sample_that_is_sent_twice_is_kept_once(database: Database, notebook: str) -> None:
    uses = NotebookUseStore(database)
    samples = [Figures(NOW + 15 * turn, 0.5, GIB, None, ((0.1, GIB),)) for turn in range(4)]
    uses.add(notebook, samples[:3])
    uses.add(notebook, samples)
    assert uses.history(notebook, NOW) == samples
    assert uses.history(notebook, NOW + 30) == samples[2:]


def test_samples_grow_coarser_with_age_and_end_after_seven_days(database: Database, notebook: str) -> None:
    uses = NotebookUseStore(database)
    day = 24 * 3600
    every = [Figures(at, 1.0, at % 97, None) for at in range(NOW - 8 * day, NOW, 900)]
    fine = [Figures(at, 1.0, 5, None) for at in range(NOW - 2 * 3600, NOW, 15)]
    uses.add(notebook, every)
    uses.add(notebook, fine)
    assert uses.thin(NOW) > 0
    kept = [sample.at for sample in uses.history(notebook, 0)]
    assert min(kept) >= NOW - 7 * day
    # an hour as it was, the hour before by the minute
    assert len([at for at in kept if at >= NOW - 3600]) == 240
    assert len([at for at in kept if NOW - 7200 <= at < NOW - 3600]) == 60
    assert uses.thin(NOW) == 0
    assert [sample.at for sample in uses.history(notebook, 0)] == kept


def test_merging_takes_the_mean_of_what_flows_and_the_most_of_what_fills() -> None:
    samples = [
        Figures(60, 1.0, 5, 7, ((0.2, 3),)),
        Figures(75, None, 9, None, ((0.4, 1),)),
        Figures(120, 2.0, 1, 1),
    ]
    assert merge(samples, 60) == [Figures(60, 1.0, 9, 7, ((0.3, 3),)), Figures(120, 2.0, 1, 1)]


def test_an_instance_types_limit_goes_before_everybodys_and_the_notebooks_own_stays_within() -> None:
    settings = IdleSettings(
        server_minutes=120, longest_minutes=240, instance_types={"gpu": IdlePart(server_minutes=30, kernel_minutes=15)}
    )
    assert settings.limits("cpu", None).server_seconds == 7200
    gpu = settings.limits("gpu", None)
    assert (gpu.server_seconds, gpu.kernel_seconds) == (1800, 900)
    assert settings.limits("gpu", 10).server_seconds == 600
    assert settings.limits("gpu", 1000).server_seconds == 240 * 60
