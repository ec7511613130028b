"""The form that begins a training, in a notebook's cell in a real JupyterLab: short at first, by keyboard."""

from __future__ import annotations

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
from orrery_widgets import TrainingForm
TrainingForm("xgboost", "flowers", "species", parameters={"rounds": 8})
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[Jupyter, httpx.Client]]:
    with running_lab(tmp_path) as running:
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        cell = nbformat.v4.new_code_cell(CELL.strip())
        notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
        nbformat.write(notebook, tmp_path / "work" / "train.ipynb")
        create_dataset(running[1], "flowers", CSV)
        yield running


def test_settings_are_opened_filled_and_refused_by_keyboard(lab: tuple[Jupyter, httpx.Client], page: Page) -> None:
    jupyter, client = lab
    secret = client.post("secrets", json={"name": "hub-token", "spec": {"value": "hidden-value"}})
    assert secret.status_code == 201, secret.text
    template = {"algorithm": "xgboost", "parameters": {"rounds": 4}, "priority": "LOW"}
    assert client.post("templates", json={"name": "quick", "spec": template}).status_code == 201
    page.set_viewport_size({"width": 1440, "height": 1900})
    open_lab(page, jupyter)
    execute(page, "docmanager:open", {"path": "train.ipynb"})
    expect(page.locator("#jp-main-statusbar")).to_contain_text("Idle", timeout=LONG_MILLISECONDS)
    execute(page, "notebook:run-all-cells")
    panel = page.locator(".orrw").first
    expect(panel.get_by_label("Name", exact=True)).to_have_value("flowers-1", timeout=LONG_MILLISECONDS)
    expect(panel.get_by_role("status").filter(has_text="Fits:")).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(panel.get_by_label("Priority")).to_be_hidden()
    for theme in ("dark", "light"):
        use_theme(page, theme)
        look(page, f"training-form-{theme}")
        assert violations(page, ".orrw") == [], theme

    more = panel.get_by_role("button", name="More settings")
    more.press("Enter")
    panel.get_by_label("Priority").select_option("HIGH")
    longest = panel.get_by_label("Longest time")
    longest.fill("soon")
    panel.get_by_role("button", name="Add a variable").press("Enter")
    expect(panel.get_by_label("Variable")).to_be_focused()
    page.keyboard.type("EM_SPEED")
    page.keyboard.press("Tab")
    page.keyboard.type("3")
    panel.get_by_role("button", name="Add a secret").press("Enter")
    expect(panel.get_by_label("Variable").nth(1)).to_be_focused()
    page.keyboard.type("HF_TOKEN")
    expect(panel.get_by_label("Secret", exact=True)).to_have_value("hub-token")
    panel.get_by_role("button", name="Start training").press("Enter")
    expect(panel.get_by_role("alert").filter(has_text="'soon' is no duration")).to_be_visible()
    longest.fill("2h")
    panel.get_by_role("button", name="Start training").press("Enter")
    expect(panel.get_by_role("alert").filter(has_text="'EM_SPEED' cannot be set")).to_be_visible()
    for theme in ("dark", "light"):
        use_theme(page, theme)
        look(page, f"training-form-settings-{theme}")
        assert violations(page, ".orrw") == [], theme
    panel.get_by_label("Variable").first.fill("SPEED")
    panel.get_by_role("button", name="Start training").press("Enter")
    expect(panel.get_by_text("COMPLETE", exact=True)).to_be_visible(timeout=LONG_MILLISECONDS)
    look(page, "training-form-run")
    spec = client.get("trainings/flowers-1").json()["spec"]
    assert (spec["priority"], spec["max_seconds"]) == ("HIGH", 7200)
    assert (spec["environment"], spec["secrets"]) == ({"SPEED": "3"}, {"HF_TOKEN": "hub-token"})

    panel.get_by_role("button", name="New run").press("Enter")
    names = panel.get_by_label("Template").locator("option").all_inner_texts()
    panel.get_by_label("Template").select_option(next(name for name in names if name.endswith("/quick")))
    expect(panel.get_by_label("Priority")).to_have_value("LOW")
    expect(panel.get_by_label("Rounds", exact=True)).to_have_value("4")
    look(page, "training-form-template")
