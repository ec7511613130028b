"""What a tuning's trials used together: sums over time, whatever they overlap; each thinned without losing peaks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orrery.api.trial_usage import combine, thin
from orrery.api.usage import samples_view
from orrery.executors.contract import UsageSample

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def run(begin: int, end: int, *, cores: float = 1.0, memory: int = 100, gpus: float | None = None) -> list[UsageSample]:
    """A trial that uses the same all the time, sampled every two seconds."""
    return [
        UsageSample(
            at=NOON + timedelta(seconds=second),
            cpu_seconds=(second - begin) * cores,
            memory_bytes=memory,
            gpu_seconds=None if gpus is None else (second - begin) * gpus,
            gpu_memory_bytes=None if gpus is None else memory * 2,
        )
        for second in range(begin, end + 1, 2)
    ]


def cores(samples: list[UsageSample]) -> list[float | None]:
    return [sample["cores"] for sample in samples_view(samples)]


def test_trials_that_run_at_once_add_up_and_those_in_turn_do_not() -> None:
    at_once = combine([run(0, 8), run(4, 8, cores=0.5, memory=50)])
    assert cores(at_once) == [None, 1.0, 1.0, 1.5, 1.5]
    assert [sample.memory_bytes for sample in at_once] == [100, 100, 100, 150, 150]
    in_turn = combine([run(0, 4), run(4, 8)])
    assert cores(in_turn) == [None, 1.0, 1.0, 1.0, 1.0]
    assert [sample.memory_bytes for sample in in_turn] == [100] * 5


def test_between_trials_nothing_is_used() -> None:
    assert cores(combine([run(0, 2), run(8, 10)])) == [None, 1.0, 0.0, 0.0, 0.0, 1.0]


def test_a_long_tuning_keeps_so_many_samples_and_its_sum() -> None:
    trials = [run(begin, begin + 30, cores=2.0) for begin in range(0, 9000, 30)]
    samples = combine(trials, most=100)
    assert len(samples) <= 102
    assert samples[-1].cpu_seconds == pytest.approx(2.0 * 9000)
    assert {sample.memory_bytes for sample in samples} == {100}, "never two of them at once"


def test_gpus_are_none_only_where_no_trial_tells_of_any() -> None:
    assert all(sample.gpu_seconds is None for sample in combine([run(0, 8)]))
    both = combine([run(0, 8), run(0, 8, gpus=0.5)])
    assert [view["gpus"] for view in samples_view(both)][1:] == [0.5] * 4
    assert both[-1].gpu_memory_bytes == 200


def test_without_samples_there_is_nothing() -> None:
    assert combine([]) == combine([[]]) == []


def test_a_trial_is_thinned_to_its_ends_and_keeps_its_peak() -> None:
    samples = run(0, 1000)
    samples[301] = UsageSample(samples[301].at, samples[301].cpu_seconds, 999)
    thinned = thin(samples, most=20)
    assert len(thinned) <= 20
    assert (thinned[0], thinned[-1].at) == (samples[0], samples[-1].at)
    assert max(sample.memory_bytes for sample in thinned) == 999
    assert thinned[-1].cpu_seconds == samples[-1].cpu_seconds
    assert thin(run(0, 8)) == run(0, 8)
    assert thin([]) == []
