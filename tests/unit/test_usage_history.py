"""What a run used over time: a file that stays small, sums that stay right, peaks that are not lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from orrery.api.usage import usage_view
from orrery.client.cli.activity import use_cells
from orrery.client.resources import UsagePoint
from orrery.executors.contract import UsageSample
from orrery.executors.history import CAPACITY, History, Moment, Use, capacity_for, merge, thin
from orrery.executors.meter import GpuReading, Gpus
from orrery.executors.sampling import GpuSeconds, devices_of
from orrery.executors.workfiles import read_usage

START = 1_700_000_000.0
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def moment(second: float, *, memory: int = 10, ranks: int = 0) -> Moment:
    """As much processor time as time has passed."""
    whole = Use(second, memory, second / 2, memory * 2)
    return Moment(START + second, whole, {rank: Use(second / 4, memory + rank) for rank in range(ranks)})


def write(path: Path, seconds: int, *, ranks: int = 0, capacity: int = CAPACITY) -> list[UsageSample]:
    """One moment every other second, a peak of memory in the midst."""
    history = History(str(path), capacity)
    for second in range(0, seconds, 2):
        history.add(moment(second, memory=99 if second == seconds // 4 * 2 else 10, ranks=ranks))
    history.finish(moment(seconds, ranks=ranks))
    return read_usage(path)


@pytest.mark.parametrize("seconds", [10, 1200, 36_000, 90_000])
def test_a_run_of_any_length_keeps_so_many_samples_evenly_spread_and_its_peak(tmp_path: Path, seconds: int) -> None:
    samples = write(tmp_path / "usage.jsonl", seconds, ranks=2)
    assert len(samples) <= CAPACITY + 1
    assert len(samples) >= min(seconds / 2, CAPACITY / 2 - 1)
    assert samples[0].cpu_seconds == 0 and samples[-1].cpu_seconds == seconds
    gaps = [(b.at - a.at).total_seconds() for a, b in pairwise(samples[:-1])]
    assert max(gaps) <= 2 * seconds / len(gaps)
    # what was dropped is counted in the next that was kept
    assert all((s.at.timestamp() - START) == pytest.approx(s.cpu_seconds, abs=0.001) for s in samples)
    assert max(sample.memory_bytes for sample in samples) == 99
    assert max(sample.ranks[1].memory_bytes for sample in samples) == 100
    assert max(sample.gpu_memory_bytes or 0 for sample in samples) == 198
    assert samples[-1].ranks[1].cpu_seconds == seconds / 4
    assert samples[-1].gpu_seconds == seconds / 2


def test_the_file_is_as_small_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    write(path, 40_000, ranks=2)
    assert path.stat().st_size < 200_000
    assert [child.name for child in tmp_path.iterdir()] == ["usage.jsonl"]
    assert capacity_for(2) == CAPACITY > capacity_for(64) > capacity_for(640) == 100


def test_of_what_runs_for_ever_the_latest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    history = History(str(path), 20, keeps_latest=True)
    for second in range(1000):
        history.add(moment(second))
    kept = [sample.cpu_seconds for sample in read_usage(path)]
    assert 10 <= len(kept) < 20
    assert kept == list(range(1000 - len(kept), 1000))


def test_a_rank_that_has_ended_keeps_what_it_held_until_then() -> None:
    both, one = moment(1, memory=50, ranks=2), Moment(START + 2, Use(2.0, 20), {0: Use(0.5, 20)})
    merged = merge(both, one)
    assert (merged.at, merged.whole.memory_bytes, merged.ranks[0].memory_bytes) == (START + 2, 50, 50)
    assert merged.ranks[1] == both.ranks[1]


def test_a_run_that_is_thinned_ends_where_it_ended() -> None:
    moments = [moment(second) for second in (0, 1, 2, 3, 4, 4.5)]
    assert [kept.at - START for kept in thin(moments, 2.0)] == [0, 2, 4, 4.5]


def test_lines_cut_short_and_those_of_earlier_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    path.write_text(
        '{"at": "2026-01-01T12:00:00.000000Z", "cpu_seconds": 1.5, "memory_bytes": 7}\n'
        '{"at": "2026-01-01T12:00:02.000000Z", "cpu_sec\n'
        '{"at": "2026-01-01T12:00:04Z", "cpu_seconds": 2, "memory_bytes": 8, "ranks": {"x": {}}}\n'
        '{"at": "2026-01-01T12:00:05Z", "cpu_seconds": 2, "memory_bytes": 8, "ranks": []}\n'
        '{"at": "2026-01-01T12:00:06Z", "cpu_seconds": 3, "memory_bytes": 9'
    )
    assert [(s.cpu_seconds, s.memory_bytes, s.gpu_seconds) for s in read_usage(path)] == [(1.5, 7, None), (2, 8, None)]


def test_cores_and_gpus_in_use_are_told_for_all_and_for_each_rank() -> None:
    samples = [
        UsageSample(
            NOON + timedelta(seconds=2 * n),
            3.0 * n,
            100,
            1.0 * n,
            7,
            {0: UsageSample(NOON + timedelta(seconds=2 * n), 1.0 * n, 60)}
            | ({1: UsageSample(NOON + timedelta(seconds=2 * n), 2.0 * n, 40)} if n > 0 else {}),
        )
        for n in range(3)
    ]
    view = usage_view(samples)
    assert [(s["cores"], s["gpus"], s["gpu_memory_bytes"]) for s in view["samples"]] == [
        (None, None, 7),
        (1.5, 0.5, 7),
        (1.5, 0.5, 7),
    ]
    assert [(one["rank"], [s["cores"] for s in one["samples"]]) for one in view["ranks"]] == [
        (0, [None, 0.5, 0.5]),
        (1, [None, 1.0]),
    ]
    assert usage_view([]) == {"samples": [], "ranks": []}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ()),
        ({"CUDA_VISIBLE_DEVICES": ""}, ()),
        ({"CUDA_VISIBLE_DEVICES": "2,3"}, ("2", "3")),
        ({"CUDA_VISIBLE_DEVICES": "2,3", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}, ("3",)),
        ({"CUDA_VISIBLE_DEVICES": "2,3", "LOCAL_WORLD_SIZE": "4", "LOCAL_RANK": "2"}, ("2",)),
        ({"CUDA_VISIBLE_DEVICES": "2,3", "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"}, ("2", "3")),
    ],
)
def test_a_rank_computes_on_the_gpu_of_its_local_rank(environment: dict[str, str], expected: tuple[str, ...]) -> None:
    assert devices_of(environment) == expected


class Driver:
    """What the driver would say of the GPUs of a machine: there is none here."""

    def __init__(self) -> None:
        self.used: dict[int, float | None] = {}

    def read_each(self) -> dict[int, GpuReading]:
        return {index: GpuReading("GPU", used, 100 + index, 1000) for index, used in self.used.items()}


def test_gpus_count_for_whom_they_were_given_to_and_by_how_long_they_were_in_use() -> None:
    driver = Driver()
    gpus = GpuSeconds(cast("Gpus", driver), ["1", "2"])
    driver.used = {0: 1.0, 1: 0.5, 2: None}
    gpus.read(0.0)
    assert gpus.read(10.0) == (5.0, 203)
    assert (gpus.of(("1",)), gpus.of(("2",))) == ((5.0, 101), (None, 102))
    # one has fallen off the bus, and one is not the job's
    driver.used = {0: 1.0, 1: 1.0}
    assert gpus.read(12.0) == (7.0, 203)
    assert gpus.of(("0",)) == gpus.of(()) == (None, None)


def test_the_command_line_tells_the_last_the_mean_and_the_most() -> None:
    times = [NOON, NOON + timedelta(seconds=1), NOON + timedelta(seconds=4)]
    points = [
        UsagePoint(at, cores, memory, None, None)
        for at, cores, memory in zip(times, (None, 4.0, 0.0), (5, 2048, 1024), strict=True)
    ]
    assert use_cells(points) == ["0.00", "1.00", "4.00", "1.0 KiB", "2.0 KiB", "-", "-", "-", "-"]
    assert use_cells(points[:1]) == ["-", "-", "-", "5 B", "5 B", "-", "-", "-", "-"]
