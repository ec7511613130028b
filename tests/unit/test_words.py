"""Amounts in words."""

from __future__ import annotations

import pytest

from orrery.executors.words import human_bytes


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (1000, "1000 bytes"),
        (300_000, "293 KiB"),
        (640 << 20, "640 MiB"),
        (2 << 30, "2 GiB"),
        (1.9 * (1 << 30), "1.9 GiB"),
        (4096 << 30, "4096 GiB"),
    ],
)
def test_amounts_of_memory_are_said_as_people_say_them(count: float, words: str) -> None:
    assert human_bytes(count) == words
