"""Progress read from what scripts print, and the rate worked out from it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from orrery.controllers.rates import Rate
from orrery.jobs.log_json import Told, read_json_line
from orrery.jobs.log_progress import LogProgress, Place


def read(*lines: str) -> list[Place | None]:
    progress = LogProgress()
    return [progress.read(line) for line in lines]


def test_epochs_or_steps_alone() -> None:
    assert read("Epoch 1/4", "loss 3", "epoch: [2/4]", "epoch: [2/4]") == [
        Place(0.25, 1, 4),
        None,
        Place(0.5, 2, 4),
        None,
    ]
    assert read("iter 30 of 300") == [Place(0.1, step=30, steps=300)]


def test_steps_of_the_whole_run_beside_epochs() -> None:
    told = read("Epoch 1/2", "step 40 of 100", "Epoch 2/2", "step 90 of 100")
    assert told[1:] == [Place(0.4, 1, 2, 40, 100), Place(0.4, 2, 2, 40, 100), Place(0.9, 2, 2, 90, 100)]


@pytest.mark.parametrize("last", ["step 10/10", "step 9/10"])
def test_steps_that_begin_anew_in_each_epoch(last: str) -> None:
    told = read("Epoch 1/4", "step 5/10", last, "Epoch 2/4", "step 1/10", "step 5/10", "Epoch 3/4 step 5/10")
    places = [place for place in told if place is not None]
    assert (places[-2].fraction, places[-2].epoch, places[-2].step) == (1.5 / 4, 2, 5)
    assert places[-1] == Place(2.5 / 4, 3, 4, 5, 10)


def test_both_in_one_line() -> None:
    assert read("Epoch 2/4, step 60/100") == [Place(0.6, 2, 4, 60, 100)]


@pytest.mark.parametrize("line", ["step 5/0", "epoch 7 of 3", "nothing", "steps: 3"])
def test_what_is_no_count(line: str) -> None:
    assert read(line) == [None]


class TestRate:
    BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

    def at(self, seconds: float) -> datetime:
        return self.BEGIN + timedelta(seconds=seconds)

    def test_steps_a_second_over_the_last_minute(self) -> None:
        rate = Rate([])
        for second in range(0, 301):
            # twice as fast since four minutes
            rate.saw({"step": second if second < 60 else 60 + 2 * (second - 60)}, self.at(second))
        assert rate.told == {"rate": 2.0, "rate_unit": "step"}
        assert len(rate.marks) <= 32

    def test_epochs_where_there_are_no_steps(self) -> None:
        rate = Rate([])
        rate.saw({"epoch": 1, "step": None}, self.at(0))
        rate.saw({"epoch": 2, "step": None}, self.at(10))
        assert rate.told == {"rate": 0.1, "rate_unit": "epoch"}

    def test_a_count_that_begins_anew_begins_the_rate_anew(self) -> None:
        rate = Rate([])
        for step, second in ((8, 0), (9, 1), (1, 2)):
            rate.saw({"step": step}, self.at(second))
        assert rate.told == {"rate": None, "rate_unit": None}
        rate.saw({"step": 3}, self.at(3))
        assert rate.told == {"rate": 2.0, "rate_unit": "step"}

    def test_it_is_kept_between_looks(self) -> None:
        first = Rate([])
        first.saw({"step": 1}, self.at(0))
        second = Rate(first.marks)
        second.saw({"step": 5}, self.at(2))
        assert second.told == {"rate": 2.0, "rate_unit": "step"}

    def test_one_moment_has_no_rate(self) -> None:
        rate = Rate([])
        rate.saw({"step": 1}, self.at(0))
        rate.saw({"step": 500}, self.at(0.01))
        assert rate.told == {"rate": None, "rate_unit": None}


class TestJsonLines:
    def test_epoch_step_and_metrics(self) -> None:
        told = read_json_line(
            '{"epoch": 1, "epochs": 4, "loss": 0.5, "accuracy": 1, "time": 17.5, "note": "x", "ok": true}'
        )
        assert told == Told(Place(0.25, 1, 4), 1, {"loss": 0.5, "accuracy": 1.0})

    def test_metrics_of_their_own_and_a_step(self) -> None:
        told = read_json_line('  {"step": 30, "total_steps": 60, "epoch": 2, "metrics": {"loss": NaN}}  ')
        assert told is not None and math.isnan(told.metrics["loss"])
        assert (told.step, told.place) == (30, Place(0.5, 2, None, 30, 60))

    @pytest.mark.parametrize(("progress", "fraction"), [(0.4, 0.4), (40, 0.4), (1, 1.0), (250, 1.0), (-1, 0.0)])
    def test_progress_as_a_part_or_in_percent(self, progress: float, fraction: float) -> None:
        told = read_json_line(f'{{"progress": {progress}}}')
        assert told is not None and told.place == Place(fraction)

    @pytest.mark.parametrize("line", ["", "loss=3", "{not json}", "[1, 2]", "{" * 5000 + "}" * 5000, '{"a": 1'])
    def test_other_lines(self, line: str) -> None:
        assert read_json_line(line) is None

    def test_a_line_without_numbers_tells_nothing(self) -> None:
        assert read_json_line('{"message": "epoch 3/4"}') == Told()
