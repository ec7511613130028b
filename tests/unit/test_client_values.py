"""What a person's Python may hold, as it is sent."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orrery.client.builtin import seconds_of
from orrery.client.resources import plain
from orrery.errors import Invalid


def test_values_of_numpy_and_pandas_are_sent_as_the_numbers_that_they_hold() -> None:
    given = {
        "rate": np.float64(0.5),
        "rounds": np.int64(3),
        "sizes": np.arange(3),
        "table": np.eye(2),
        "column": pd.Series(["a", "b"]),
        "path": Path("a/b"),
        1: (True, None),
    }
    assert plain(given) == {
        "rate": 0.5,
        "rounds": 3,
        "sizes": [0, 1, 2],
        "table": [[1.0, 0.0], [0.0, 1.0]],
        "column": ["a", "b"],
        "path": "a/b",
        "1": [True, None],
    }


def test_what_json_does_not_have_is_named() -> None:
    for value in (date(2026, 1, 1), np.array([b"x"])):
        with pytest.raises(Invalid, match="cannot be sent as JSON; convert it first"):
            plain({"a": value})


def test_a_longest_time_is_seconds_a_text_or_a_timedelta() -> None:
    assert [seconds_of(given) for given in (90, "90s", timedelta(minutes=1, seconds=30), None)] == [90, 90, 90, None]
