"""What the client says of a run, in words."""

from __future__ import annotations

import pytest

from orrery.client.displays import rate_text, start_text
from orrery.client.failures import RunFailed
from orrery.client.resources import Progress


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (3, "in a moment"),
        (18, "in about 18 s"),
        (59, "in about 59 s"),
        (61, "in about 1 min"),
        (200, "in about 3 min 20"),
        (7300, "in about 2 h 1 min"),
    ],
)
def test_when_a_job_starts(seconds: float | None, text: str) -> None:
    assert start_text(seconds) == text


@pytest.mark.parametrize(
    ("rate", "unit", "text"),
    [
        (None, None, ""),
        (0.0, "step", ""),
        (12.5, "step", "12.5 steps/s"),
        (1234.0, "step", "1,234 steps/s"),
        (0.025, "epoch", "40 s an epoch"),
        (0.5, "step", "2 s a step"),
        (1.0, "epoch", "1 epoch/s"),
        (0.998, "epoch", "1 epoch/s"),
        (1.1, "epoch", "1.1 epochs/s"),
    ],
)
def test_how_fast_it_goes(rate: float | None, unit: str | None, text: str) -> None:
    assert rate_text(Progress(rate=rate, rate_unit=unit)) == text


def test_the_last_lines_of_a_failed_run_are_told_once() -> None:
    log = "line 1\nTraceback:\n    raise ValueError('a bad batch')\nValueError: a bad batch"
    message = "training a failed: exit code : 1\n    raise ValueError('a bad batch')\nValueError: a bad batch\nretry it"
    failed = RunFailed(message, log_tail=log)
    assert failed.summary == "training a failed: exit code : 1\nretry it"
    assert str(failed).count("ValueError: a bad batch") == 1
    assert str(RunFailed(message)) == message
