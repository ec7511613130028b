"""A profile as a notebook shows it: HTML and plots, in Jupyter's colours, with nothing of the data run as code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from orrery.jobs.inspect_dataset import inspect_files
from orrery.jobs.tabular.columns import describe
from orrery.jobs.tabular.profile import make_profile
from orrery.jobs.tabular.rows import read_values
from orrery.jobs.tabular.sources import find_files, reading
from orrery_widgets.insight_html import overview
from orrery_widgets.insight_plot import CHARTS, CannotDraw, draw

#: Matplotlib's own, about the parser that it uses
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
ROWS = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    generator = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "size $x$": generator.normal(size=ROWS).round(3),
            "weight": np.where(generator.random(ROWS) < 0.1, np.nan, generator.normal(size=ROWS).round(3)),
            "day": pd.date_range("2026-01-01", periods=ROWS),
            "<b>kind</b>": generator.choice(["<script>alert(1)</script>", "plain"], ROWS),
            "count": generator.integers(0, 5, ROWS),
        }
    )
    frame.to_csv(folder / "table.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def profile(folder: Path) -> dict[str, Any]:
    with reading() as reader:
        sources = [reader.open(file) for file in find_files(folder)]
        return make_profile(reader, sources, describe(reader, sources))


def values_of(profile: dict[str, Any]) -> dict[str, Any]:
    names = [column["name"] for column in profile["columns"]]
    return dict(zip(names, profile["sample"]["values"], strict=True))


def test_the_overview_shows_everything_and_runs_nothing(profile: dict[str, Any]) -> None:
    html = overview(profile)
    for word in ("Data quality", "Missing values", "Correlations", "&lt;b&gt;kind&lt;/b&gt;", "400 rows are few"):
        assert word in html
    assert "<script" not in html and "<b>kind" not in html


def test_like_findings_are_unfolded_from_one_line(profile: dict[str, Any]) -> None:
    findings = [
        {"code": "outliers", "severity": "info", "column": name, "message": f"<{name}> is wild", "remedy": "look"}
        for name in "ab"
    ]
    group = {"code": "outliers", "severity": "info", "message": "3 columns: a, b", "remedy": "look", "count": 3}
    shown = overview({**profile, "findings": findings, "finding_groups": [{**group, "findings": [0, 1]}]})
    assert "<summary>3 columns: a, b</summary><ul><li>&lt;a&gt; is wild</li><li>&lt;b&gt; is wild</li>" in shown
    assert "and 1 more" in shown
    assert "<summary>" not in overview({**profile, "findings": findings, "finding_groups": None})


@pytest.mark.parametrize("chart", CHARTS.values())
@pytest.mark.parametrize("x", ["size $x$", "day", "<b>kind</b>", "count"])
def test_every_chart_is_drawn_in_the_themes_colours_or_says_why_not(
    chart: str, x: str, profile: dict[str, Any]
) -> None:
    choice = {"chart": chart, "x": x, "y": "weight", "colour": "<b>kind</b>"}
    if chart in ("scatter", "line") and x == "<b>kind</b>":
        with pytest.raises(CannotDraw, match="choose numbers or times for X"):
            draw(profile["columns"], values_of(profile), **choice)
        return
    svg = draw(profile["columns"], values_of(profile), **choice)
    ElementTree.fromstring(svg)
    assert "<script" not in svg
    assert "var(--jp-ui-font-color1" in svg and "var(--jp-brand-color1" in svg
    assert re.search(r"aria-label='\w+ of (weight|rows) by ", svg)


def test_a_text_cannot_be_the_height(profile: dict[str, Any]) -> None:
    with pytest.raises(CannotDraw, match="choose numbers for Y"):
        draw(profile["columns"], values_of(profile), chart="box", x="count", y="<b>kind</b>", colour="")


def test_all_rows_are_read_as_the_sample_is(folder: Path, profile: dict[str, Any]) -> None:
    everything, sample = read_values(folder), values_of(profile)
    assert {name: len(values) for name, values in everything.items()} == dict.fromkeys(sample, ROWS)
    assert everything == sample


def test_many_points_are_a_picture_inside_the_svg() -> None:
    columns = [{"name": "a", "kind": "number"}, {"name": "b", "kind": "number"}]
    values = {"a": list(range(20_000)), "b": list(range(20_000))}
    svg = draw(columns, values, chart="scatter", x="a", y="b", colour="")
    assert "<image" in svg and len(svg) < 400_000


def test_the_columns_of_an_inspection_are_those_of_the_profile(folder: Path, profile: dict[str, Any]) -> None:
    inspected = inspect_files(find_files(folder))
    assert [(c["name"], c["kind"]) for c in inspected["columns"]] == [
        (c["name"], c["kind"]) for c in profile["columns"]
    ]
