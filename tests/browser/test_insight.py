"""Looking into a dataset in JupyterLab: the overview, its findings, the heat map by keyboard, and plots."""

from __future__ import annotations

import getpass
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect
from sklearn.datasets import load_breast_cancer

from orrery.testing.jupyter import Jupyter, jupyter_lab
from orrery.testing.platform import RunningPlatform, create_dataset

REPOSITORY = Path(__file__).parents[2]
SIGHTS = REPOSITORY / ".screenshots"
AXE = REPOSITORY / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
VIOLATIONS = """async () => (await axe.run('.orr-Panel')).violations
    .filter(found => ['serious', 'critical'].includes(found.impact))
    .map(found => found.id + ': ' + found.nodes.map(node => node.html.slice(0, 160)).join(' | '))"""
LONG_MILLISECONDS = 60_000


def look(page: Page, name: str) -> None:
    SIGHTS.mkdir(exist_ok=True)
    expect(page.locator("#jupyterlab-splash")).to_have_count(0, timeout=LONG_MILLISECONDS)
    page.screenshot(path=SIGHTS / f"insight-{name}.png")


def breast_cancer() -> bytes:
    data: Any = load_breast_cancer(as_frame=True)
    frame: pd.DataFrame = data.frame
    return frame.assign(target=np.where(frame["target"] == 1, "benign", "malignant")).to_csv(index=False).encode()


def untidy() -> bytes:
    """6,000 rows with all that the findings speak of."""
    generator = np.random.default_rng(1)
    rows = 6000
    frame = pd.DataFrame(
        {
            "id": np.arange(rows),
            "bought": pd.date_range("2024-01-01", periods=rows, freq="h"),
            "price": generator.lognormal(3, 1, rows).round(2),
            "answer": generator.choice(["Maybe", "maybe ", "never", "often"], rows),
            "gap": np.where(generator.random(rows) < 0.4, np.nan, generator.normal(size=rows)),
            "same": "x",
            "label": np.where(generator.random(rows) < 0.05, "yes", "no"),
        }
    )
    frame["cost"] = (frame["price"] * 0.8 + generator.normal(0, 0.1, rows)).round(2)
    return frame.to_csv(index=False).encode()


@pytest.fixture(scope="module")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def jupyter(lab_folder: Path) -> Iterator[Jupyter]:
    """JupyterLab over a platform that has two datasets."""
    home = Path(tempfile.mkdtemp(prefix="orr-"))
    with RunningPlatform(home) as platform:
        with platform.client() as client:
            create_dataset(client, "breast", breast_cancer())
            create_dataset(client, "untidy", untidy())
        with jupyter_lab(home, lab_folder) as jupyter:
            yield jupyter
    shutil.rmtree(home, ignore_errors=True)


def open_insight(page: Page, jupyter: Jupyter, name: str) -> Locator:
    page.goto(f"{jupyter.url}/lab?reset&token={jupyter.token}")
    page.locator('[data-id="orrery-side-bar"]').first.click(timeout=LONG_MILLISECONDS)
    page.get_by_test_id("orrery-kind-dataset").get_by_test_id(f"orrery-recent-{name}").click()
    panel = page.locator('.orr-Panel[data-testid="orrery-detail-dataset"]:visible')
    panel.get_by_test_id("orrery-tab-insight").click()
    expect(panel.get_by_test_id("orrery-insight-summary")).to_be_visible()
    return panel


def set_theme(page: Page, name: str) -> None:
    page.locator(".lm-MenuBar-item").filter(has_text="Settings").click()
    page.locator(".lm-Menu-item").filter(has_text=re.compile("^Theme")).first.hover()
    page.locator(".lm-Menu-item").filter(has_text=re.compile(f"^{name}$")).first.click()
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", name, timeout=LONG_MILLISECONDS)


def violations(page: Page) -> list[str]:
    page.add_script_tag(path=AXE)
    return page.evaluate(VIOLATIONS)


def test_the_overview_tells_what_is_there_and_what_is_wrong(jupyter: Jupyter, page: Page) -> None:
    panel = open_insight(page, jupyter, "untidy")
    expect(panel.get_by_test_id("orrery-insight-summary")).to_contain_text("Rows6,000")
    findings = panel.get_by_test_id("orrery-insight-findings")
    expect(findings.locator("[data-code=inconsistent_values]")).to_contain_text("'Maybe' and 'maybe '")
    expect(findings.locator("[data-code=class_imbalance]")).to_contain_text("weight the classes")
    expect(findings.locator("[data-code=constant_column]")).to_contain_text("'same'")
    expect(panel.get_by_test_id("orrery-insight-missing")).to_contain_text("gap")
    columns = panel.get_by_test_id("orrery-insight-columns")
    columns.get_by_role("button", name="Missing").click()
    expect(columns.locator("tbody tr").first).to_contain_text("gap")
    expect(columns.get_by_role("columnheader", name="Missing")).to_have_attribute("aria-sort", "descending")
    columns.get_by_label("Find a column").fill("PRI")
    expect(columns.locator("tbody tr")).to_have_count(1)
    look(page, "untidy-overview")


def test_correlations_are_read_by_keyboard(jupyter: Jupyter, page: Page) -> None:
    panel = open_insight(page, jupyter, "breast")
    correlations = panel.get_by_test_id("orrery-insight-correlations")
    correlations.locator('td[tabindex="0"]').focus()
    for key in ("Home", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    expect(panel.get_by_test_id("orrery-insight-reading")).to_have_text("mean perimeter and mean radius: 1.00")
    correlations.get_by_label("Measure").select_option("spearman")
    correlations.locator("td").nth(31).hover()
    expect(panel.get_by_test_id("orrery-insight-reading")).to_contain_text("mean texture and mean texture: 1.00")
    look(page, "correlations")


def test_two_columns_are_drawn_in_every_way_and_as_a_table(jupyter: Jupyter, page: Page) -> None:
    panel = open_insight(page, jupyter, "untidy")
    panel.get_by_test_id("orrery-insight-visualize").click()
    plot = panel.get_by_test_id("orrery-insight-plot")
    expect(plot.get_by_test_id("orrery-insight-rows")).to_contain_text("A random sample: 5,000 of 6,000 rows")
    drawn = {
        "Scatter": ("price", "cost", "label", "Scatter plot of cost by price"),
        "Line": ("bought", "price", "", "Line chart of price by bought"),
        "Bars: count": ("answer", None, "label", "Bar chart of rows by answer"),
        "Bars: mean": ("answer", "price", "", "Bar chart of mean of price by answer"),
        "Histogram": ("gap", None, "label", "Histogram of rows by gap"),
        "Box": ("answer", "gap", None, "Box plot of gap by answer"),
    }
    for number, (chart, (x, y, colour, name)) in enumerate(drawn.items()):
        plot.get_by_label("Chart", exact=True).select_option(label=chart)
        plot.get_by_label("X axis", exact=True).select_option(x)
        if y is not None:
            plot.get_by_label("Y axis", exact=True).select_option(y)
        if colour is not None:
            plot.get_by_label("Colour", exact=True).select_option(colour)
        expect(plot.get_by_role("img", name=name)).to_be_visible()
        look(page, f"plot-{number}")
    plot.get_by_text("Show as a table").click()
    expect(plot.get_by_role("region", name="What is drawn, as a table").locator("tbody tr")).to_have_count(4)
    plot.get_by_label("Chart", exact=True).select_option(label="Scatter")
    expect(plot).to_contain_text("answer holds category values; choose numbers or times for X")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_insight_is_accessible_in_both_themes(theme: str, jupyter: Jupyter, page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 1900})
    panel = open_insight(page, jupyter, "breast")
    set_theme(page, theme)
    shade = theme.rpartition(" ")[2].lower()
    look(page, f"breast-{shade}-overview")
    panel.get_by_test_id("orrery-insight-correlations").scroll_into_view_if_needed()
    look(page, f"breast-{shade}-correlations")
    assert violations(page) == []
    panel.get_by_test_id("orrery-insight-visualize").click()
    expect(panel.get_by_role("img", name="Scatter plot")).to_be_visible()
    look(page, f"breast-{shade}-plot")
    assert violations(page) == []


def test_a_dataset_without_a_profile_says_what_to_do(jupyter: Jupyter, page: Page) -> None:
    message = "dataset x has no profile: it was read before there were any"
    page.route(
        "**/api/v1/datasets/*/profile",
        lambda route: route.fulfill(
            status=404, json={"error": {"code": "not_found", "message": message, "details": {}}}
        ),
    )
    page.goto(f"{jupyter.url}/lab?reset&token={jupyter.token}")
    page.locator('[data-id="orrery-side-bar"]').first.click(timeout=LONG_MILLISECONDS)
    page.get_by_test_id("orrery-kind-dataset").get_by_test_id("orrery-recent-breast").click()
    panel = page.locator('.orr-Panel[data-testid="orrery-detail-dataset"]:visible')
    panel.get_by_test_id("orrery-tab-insight").click()
    expect(panel.get_by_role("alert")).to_have_text(message)
    page.unroute("**/api/v1/datasets/*/profile")
    panel.get_by_role("button", name="Look again").click()
    expect(panel.get_by_test_id("orrery-insight-summary")).to_be_visible()


def test_the_dashboard_is_a_notebook_that_shows_the_panel(jupyter: Jupyter, lab_folder: Path, page: Page) -> None:
    shutil.copy(REPOSITORY / "notebooks" / "dashboards" / "data-insight.ipynb", lab_folder)
    page.set_viewport_size({"width": 1440, "height": 1900})
    page.goto(f"{jupyter.url}/lab/tree/data-insight.ipynb?reset&token={jupyter.token}")
    page.locator(".jp-Notebook").wait_for(timeout=LONG_MILLISECONDS)
    expect(page.get_by_text("Python 3 | Idle")).to_be_visible(timeout=LONG_MILLISECONDS)
    page.locator(".lm-MenuBar-item").filter(has_text="Run").click()
    page.locator(".lm-Menu-item").filter(has_text=re.compile("^Run All Cells$")).click()
    page.get_by_label("Dataset", exact=True).select_option(
        label=f"{getpass.getuser()}/untidy@1", timeout=LONG_MILLISECONDS
    )
    expect(page.locator(".jp-Notebook")).to_contain_text("'Maybe' and 'maybe '", timeout=LONG_MILLISECONDS)
    look(page, "notebook-overview")
    page.get_by_role("tab", name="Visualize").click()
    expect(page.get_by_role("img", name="scatter of")).to_be_visible()
    look(page, "notebook-plot")
    set_theme(page, "JupyterLab Dark")
    look(page, "notebook-dark")
