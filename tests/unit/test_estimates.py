"""How long runs last, from like ones and from their own progress; where nothing is known, nothing is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orrery.controllers.estimates import ALIKE, remaining, usual_durations
from orrery.domain.records import Json, Record
from orrery.store.summaries import RunTime

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RECORD = Record("trn_1", "training", "alice", "a", 0, {}, "RUNNING", NOW, NOW)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def test_only_runs_of_one_algorithm_and_size_are_alike() -> None:
    runs = [RunTime("x", "small", 10), RunTime("x", "small", 30), RunTime("x", "small", 20), RunTime("x", "big", 5)]
    assert usual_durations(runs) == {("x", "small"): 20, ("x", "big"): 5}


def test_only_the_newest_count() -> None:
    runs = [RunTime("x", "small", 10)] * ALIKE + [RunTime("x", "small", 1000)] * 100
    assert usual_durations(runs) == {("x", "small"): 10}


@pytest.mark.parametrize(
    ("progress", "usual", "started", "expected"),
    [
        # its own progress says more than what others took, and grows old
        ({"eta_seconds": 50.0}, 1000.0, ago(10), 45.0),
        ({"eta_seconds": 2.0}, 1000.0, ago(10), 0.0),
        ({"eta_seconds": None}, 100.0, ago(30), 70.0),
        (None, 100.0, None, 100.0),
        # longer than like ones: nobody knows
        (None, 100.0, ago(130), None),
        (None, None, ago(30), None),
    ],
)
def test_what_is_left_of_a_run(
    progress: Json | None, usual: float | None, started: datetime | None, expected: float | None
) -> None:
    record = replace(RECORD, progress=progress, updated_at=ago(5))
    assert remaining(record, usual, started, NOW) == expected
