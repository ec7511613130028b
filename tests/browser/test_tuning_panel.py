"""The panels of tunings in a notebook's cell and on a page, in a real JupyterLab, light and dark, by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import nbformat
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import CSV, LONG_MILLISECONDS, execute, look, open_lab, running_lab, use_theme, violations

from orrery.testing.jupyter import Jupyter
from orrery.testing.platform import create_dataset

CELL = """
from orrery_widgets import TuningForm
TuningForm("xgboost", "flowers", "species", parameters={"rounds": 8}, trials=12, key="searched", seed=4)
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[Jupyter, httpx.Client]]:
    with running_lab(tmp_path) as running:
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        cell = nbformat.v4.new_code_cell(CELL.strip())
        notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
        nbformat.write(notebook, tmp_path / "work" / "tune.ipynb")
        create_dataset(running[1], "flowers", CSV)
        yield running


def test_a_tuning_is_begun_and_followed_in_a_cell_and_on_a_page(lab: tuple[Jupyter, httpx.Client], page: Page) -> None:
    jupyter, client = lab
    page.set_viewport_size({"width": 1440, "height": 2300})
    open_lab(page, jupyter)
    execute(page, "docmanager:open", {"path": "tune.ipynb"})
    expect(page.locator("#jp-main-statusbar")).to_contain_text("Idle", timeout=LONG_MILLISECONDS)
    execute(page, "notebook:run-all-cells")
    panel = page.locator(".orrw").first
    expect(panel.get_by_label("Name", exact=True)).to_have_value("flowers-tuning-1", timeout=LONG_MILLISECONDS)

    # what is added has the focus in its first input, and leaves the fixed values
    expect(panel.get_by_label("Max depth", exact=True)).to_be_visible()
    panel.get_by_label("Hyperparameter", exact=True).select_option("max_depth")
    panel.get_by_role("button", name="Add", exact=True).press("Enter")
    low = panel.get_by_label("max_depth: Min")
    expect(low).to_be_focused()
    expect(panel.get_by_label("Max depth", exact=True)).to_have_count(0)
    page.keyboard.type("9")
    page.keyboard.press("Tab")
    page.keyboard.type("6")
    panel.get_by_label("Hyperparameter", exact=True).select_option("learning_rate")
    panel.get_by_role("button", name="Add", exact=True).click()
    panel.get_by_label("learning_rate: Min").fill("0.01")
    panel.get_by_label("learning_rate: Max").fill("0.5")
    panel.get_by_label("learning_rate: log").check()
    panel.get_by_label("Hyperparameter", exact=True).select_option("booster")
    panel.get_by_role("button", name="Add", exact=True).click()
    expect(panel.get_by_label("booster: Values")).to_have_values(["gbtree", "dart"])
    panel.get_by_role("button", name="More parameters").click()
    for theme in ("dark", "light"):
        use_theme(page, theme)
        look(page, f"tuning-panel-form-{theme}")
        assert violations(page, ".orrw") == [], theme

    panel.get_by_role("button", name="Start tuning").click()
    expect(panel.get_by_role("alert").filter(has_text="low (9) is above high (6)")).to_be_visible()
    expect(panel.get_by_role("alert").filter(has_text="write maximize:METRIC")).to_be_visible()
    look(page, "tuning-panel-refused")
    assert violations(page, ".orrw") == [], "with refusals"
    low.fill("2")
    metric = panel.get_by_label("Metric", exact=True)
    metric.fill("log_loss")
    metric.press("Tab")
    expect(panel.get_by_label("is to be")).to_have_value("minimized")
    panel.get_by_role("button", name="Show the SDK call").first.click()
    call = panel.get_by_role("region", name="The SDK call")
    expect(call).to_contain_text('"learning_rate": "log:0.01..0.5"')
    expect(call).to_contain_text('objective="minimize:log_loss"')
    panel.get_by_role("button", name="Hide the SDK call").first.click()
    panel.get_by_role("button", name="Start tuning").click()

    view = panel.locator(".orrw").filter(has=page.get_by_role("heading", name="Tuning flowers-tuning-1"))
    expect(view.get_by_role("button", name="Stop", exact=True)).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(view.get_by_text("COMPLETE", exact=True)).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(view.get_by_text("12 of 12 trials: 12 completed")).to_be_visible()
    expect(view.get_by_role("img", name=re.compile("^log_loss: trials .*, best so far "))).to_be_visible()
    expect(view.get_by_text("What log_loss depends on")).to_be_visible()
    view.get_by_role("button", name="Next", exact=True).click()
    expect(view.get_by_text("11 to 12 of 12 trials")).to_be_visible()
    view.get_by_label("Sort by").select_option("log_loss")
    expect(view.get_by_text("1 to 10 of 12 trials")).to_be_visible()
    view.get_by_role("button", name="Create model", exact=True).click()
    expect(view.get_by_role("status").filter(has_text="flowers-tuning-1@1 is registered")).to_be_visible()
    expect(view.get_by_role("button", name="Deploy", exact=True)).to_be_visible()
    view.scroll_into_view_if_needed()
    for theme in ("dark", "light"):
        use_theme(page, theme)
        look(page, f"tuning-panel-view-{theme}")
        assert violations(page, ".orrw") == [], theme
    assert client.get("models/flowers-tuning-1").json()["spec"]["training"]

    # another kernel finds it by its key
    execute(page, "docmanager:save")
    page.get_by_role("menuitem", name="Kernel").click()
    page.get_by_role("menuitem", name="Restart Kernel and Run All Cells…").click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    again = page.locator(".orrw").first
    expect(again.get_by_label("Name", exact=True)).to_have_count(0, timeout=LONG_MILLISECONDS)
    expect(again.get_by_text("12 of 12 trials: 12 completed")).to_be_visible(timeout=LONG_MILLISECONDS)

    tuning = client.get("tunings/flowers-tuning-1").json()
    address = f"{jupyter.url}/orrery-extension/dashboards/tuning?token={jupyter.token}&theme=dark"
    page.goto(f"{address}&id={tuning['id']}")
    expect(page.get_by_text("12 of 12 trials: 12 completed")).to_be_visible(timeout=LONG_MILLISECONDS)
    look(page, "tuning-panel-page")
    assert violations(page, ".orrw") == []
