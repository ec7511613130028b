"""Metrics read from a log by regular expressions."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from orrery.errors import Invalid
from orrery.jobs.patterns import Reading, check_pattern, read_metric
from orrery.jobs.script import LogReader


@pytest.mark.parametrize(
    ("pattern", "line", "found"),
    [
        (r"accuracy=([0-9.]+)", "epoch 3 accuracy=0.75 loss=2", Reading(0.75, None)),
        (r"loss: (\S+)", "loss: nan", Reading(math.nan, None)),
        (r"step (?P<step>\d+).*loss=(\S+)", "step 12: loss=1e-3", Reading(0.001, 12)),
        (r"loss=(?P<value>\S+) at (?P<step>\d+)", "loss=3 at 4", Reading(3.0, 4)),
        (r"a=(\d+)", "a=1 a=2", Reading(2.0, None)),
        (r"a=(\w+)", "a=many", None),
        (r"a=(\d+)", "nothing", None),
    ],
)
def test_reading(pattern: str, line: str, found: Reading | None) -> None:
    seen = read_metric(re.compile(pattern), line)
    assert repr(seen) == repr(found)


@pytest.mark.parametrize(("pattern", "told"), [("a=(", "no regular expression"), ("a=1", "no group around the value")])
def test_a_pattern_that_finds_nothing_is_refused(pattern: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        check_pattern(pattern)


def test_a_log_is_read_in_whatever_pieces_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "reports.jsonl"
    monkeypatch.setenv("ORRERY_REPORTS", str(told))
    log = b"Epoch 1/4\nacc=0.5\r acc=0.6\xff\nEpoch 2 of 4: acc=0.7\nEpoch 2/4 again\nlast acc=nan"
    reader = LogReader([{"name": "accuracy", "pattern": r"acc=([0-9.]+|nan)"}])
    for begin in range(0, len(log), 7):
        reader.feed(log[begin : begin + 7])
    reader.finish()
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    points = [(line["step"], line["values"]["accuracy"]) for line in lines if line["type"] == "metrics"]
    assert points == [(0, 0.5), (1, 0.6), (2, 0.7), (3, "NaN")]
    assert [line["fraction"] for line in lines if line["type"] == "progress"] == [0.25, 0.5]
    assert math.isnan(reader.metrics["accuracy"])
