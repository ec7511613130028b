"""How long runs last, from like ones and from their own progress; where nothing is known, nothing is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orrery.api.queue import passes
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


@pytest.mark.parametrize(
    ("starts", "passed"),
    [
        ([], []),
        ([1.0, 5.0, 60.0], [None, None, None]),
        # whoever starts at about the same time passes nobody
        ([9.0, 3.0], [None, None]),
        # nobody knows of the first, and the next needs something else
        ([None, 3.0, None, 90.0], [None, 0, None, 0]),
        ([600.0, 30.0, 300.0], [None, 0, 0]),
        ([None, None], [None, None]),
    ],
)
def test_a_later_place_that_starts_first_says_whom_it_passes(
    starts: list[float | None], passed: list[int | None]
) -> None:
    assert passes(starts) == passed
