"""Event files, read back by TensorBoard itself."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orrery.controllers.event_file import append_points, count_records, crc32c
from orrery.store.metrics import Point

STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)


def points(values: list[float], *, key: str = "loss", steps: bool = True) -> list[Point]:
    return [
        Point(key, i, i * 10 if steps else None, value, STARTED + timedelta(seconds=i))
        for i, value in enumerate(values)
    ]


def read(path: Path) -> list[tuple[str, int, float, float]]:
    """(tag, step, value, wall time) as TensorBoard's own reader sees them."""
    from tensorboard.backend.event_processing.event_file_loader import (  # pyright: ignore[reportMissingTypeStubs]
        LegacyEventFileLoader,
    )

    found: list[tuple[str, int, float, float]] = []
    loader: Any = LegacyEventFileLoader(str(path))
    for event in loader.Load():
        found.extend((value.tag, event.step, value.simple_value, event.wall_time) for value in event.summary.value)
    return found


def test_the_checksum_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of the CRC catalogue


def test_tensorboard_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1.test"
    append_points(path, points([0.5, 0.25]))
    assert read(path) == [("loss", 0, 0.5, STARTED.timestamp()), ("loss", 10, 0.25, STARTED.timestamp() + 1)]


def test_more_points_are_added_once(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1.test"
    for upto in (1, 1, 3, 3):
        append_points(path, points([1.0, 2.0, 3.0])[:upto])
    assert [(step, value) for _, step, value, _ in read(path)] == [(0, 1.0), (10, 2.0), (20, 3.0)]


def test_a_record_cut_off_by_a_crash_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1.test"
    append_points(path, points([1.0, 2.0]))
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        append_points(path, points([1.0, 2.0, 3.0]))
        assert [value for _, _, value, _ in read(path)] == [1.0, 2.0, 3.0], cut
    assert count_records(path)[1] == path.stat().st_size


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, -1e300, 0.0])
def test_every_number_is_told_as_far_as_32_bits_go(tmp_path: Path, value: float) -> None:
    path = tmp_path / "events.out.tfevents.1.test"
    append_points(path, points([value], steps=False))
    told = read(path)[0][2]
    expected = math.copysign(math.inf, value) if abs(value) == 1e300 else value
    assert math.isnan(told) if math.isnan(expected) else told == expected


def test_long_names_and_late_steps(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1.test"
    late = Point("größe/" + "x" * 300, 0, 1 << 40, 1.0, STARTED)
    append_points(path, [late])
    assert read(path)[0][:2] == (late.key, 1 << 40)


def test_no_points_make_no_file(tmp_path: Path) -> None:
    append_points(tmp_path / "nothing", [])
    assert not (tmp_path / "nothing").exists()
