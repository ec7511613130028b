"""The main job, by clicking alone, on a real JupyterHub: a table becomes an endpoint that answers.

Every stage leaves a sight in `.screenshots/`, light and dark, to be looked at.
"""

from __future__ import annotations

import csv
import re
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from sklearn.datasets import load_breast_cancer

from orrery.testing.hub import PASSWORD, Hub

SIGHTS = Path(__file__).parents[2] / ".screenshots"
AXE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
NUMBERS = count(1)
#: a training or a deployment on a busy machine
LONG_MILLISECONDS = 120_000


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "breast.csv"
    data: Any = load_breast_cancer()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, "diagnosis"])
        writer.writerows([*row, data.target_names[label]] for row, label in zip(data.data, data.target, strict=True))
    return path


def look(page: Page, name: str) -> None:
    SIGHTS.mkdir(exist_ok=True)
    page.screenshot(path=SIGHTS / f"main-job-{name}.png")


def open_lab(page: Page, hub: Hub, name: str) -> None:
    """Log in and open JupyterLab with Orrery's side bar."""
    page.goto(f"{hub.url}/hub/login?next=/hub/spawn/{name}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/user/*/lab*", timeout=LONG_MILLISECONDS)
    page.locator('[data-id="orrery-side-bar"]').first.click(timeout=LONG_MILLISECONDS)
    expect(page.get_by_test_id("orrery-side-bar")).to_be_visible()


def panel(page: Page, name: str) -> Locator:
    """The panel that is in front."""
    return page.locator(f'.orr-Panel[data-testid="{name}"]:visible')


def choose(form: Locator, field: str, text: str) -> None:
    """Choose a reference by typing its name."""
    box = form.get_by_test_id(f"orrery-ref-{field}")
    box.click()
    box.fill(text)
    form.page.get_by_role("option").filter(has_text=text).first.click()


def settle(page: Page, kind: str, phase: str) -> Locator:
    """The page of a resource once it has reached a phase."""
    detail = panel(page, f"orrery-detail-{kind}")
    expect(detail.get_by_test_id("orrery-phase").first).to_have_attribute(
        "data-phase", phase, timeout=LONG_MILLISECONDS
    )
    return detail


def create_dataset(page: Page, name: str, table: Path) -> Locator:
    page.get_by_test_id("orrery-new-dataset").click()
    form = panel(page, "orrery-form-dataset")
    form.get_by_label("Name", exact=True).fill(name)
    form.get_by_test_id("orrery-file-input").set_input_files(table)
    expect(form.get_by_test_id(f"orrery-file-{table.name}")).to_be_visible()
    look(page, "1-dataset-form")
    form.get_by_test_id("orrery-submit").click()
    return settle(page, "dataset", "READY")


def train(page: Page, name: str, dataset: str) -> Locator:
    page.get_by_test_id("orrery-new-training").click()
    form = panel(page, "orrery-form-training")
    form.get_by_label("Name", exact=True).fill(name)
    choose(form, "spec_algorithm", "xgboost")
    choose(form, "spec_datasets_train", dataset)
    form.get_by_label("Target", exact=True).select_option("diagnosis")
    look(page, "3-training-form")
    form.get_by_test_id("orrery-submit").click()
    detail = panel(page, "orrery-detail-training")
    expect(detail).to_be_visible()
    look(page, "4-training-runs")
    return settle(page, "training", "COMPLETE")


def test_a_newcomer_turns_a_table_into_an_endpoint_by_clicking(hub: Hub, page: Page, table: Path) -> None:
    name = f"vera{next(NUMBERS)}"
    hub.sign_up(name)
    open_lab(page, hub, name)
    look(page, "0-lab")

    dataset = create_dataset(page, "breast", table)
    expect(dataset.get_by_text("569").first).to_be_visible()
    dataset.get_by_test_id("orrery-tab-data").click()
    expect(dataset.get_by_test_id("orrery-preview").get_by_text("malignant").first).to_be_visible()
    look(page, "2-dataset-data")

    training = train(page, "breast-1", "breast")
    shown = training.get_by_test_id("orrery-metrics").inner_text()
    found = re.search(r"roc\s?auc\D*([01]\.\d+)", shown, re.IGNORECASE)
    assert found and float(found.group(1)) >= 0.98, shown
    look(page, "5-training-complete")
    training.get_by_test_id("orrery-tab-metrics").click()
    expect(training.get_by_test_id("orrery-panel-metrics").locator("canvas").first).to_be_visible()
    look(page, "6-training-metrics")
    training.get_by_test_id("orrery-tab-logs").click()
    expect(
        training.get_by_test_id("orrery-panel-logs").get_by_text("rounds are kept", exact=False).first
    ).to_be_visible()

    page.reload()
    again = settle(page, "training", "COMPLETE")
    expect(page.get_by_test_id("orrery-recent-breast-1").first).to_be_visible()

    again.get_by_test_id("orrery-tab-notebook").click()
    again.get_by_test_id("orrery-open-notebook").first.click()
    notebook = page.locator(".jp-NotebookPanel:visible")
    expect(notebook.get_by_role("heading").first).to_be_visible(timeout=LONG_MILLISECONDS)
    look(page, "7-executed-notebook")

    page.get_by_test_id("orrery-side-bar").get_by_test_id("orrery-kind-model").get_by_test_id(
        "orrery-recent-breast-1"
    ).click()
    model = settle(page, "model", "ACTIVE")
    look(page, "8-model")
    model.get_by_test_id("orrery-deploy").click()
    form = panel(page, "orrery-form-endpoint")
    form.get_by_label("Name", exact=True).fill("breast")
    look(page, "9-endpoint-form")
    form.get_by_test_id("orrery-submit").click()
    endpoint = settle(page, "endpoint", "ACTIVE")
    endpoint.get_by_test_id("orrery-tab-playground").click()
    endpoint.get_by_test_id("orrery-try-submit").click()
    expect(endpoint.get_by_test_id("orrery-try-result")).to_contain_text(re.compile("malignant|benign"))
    look(page, "10-endpoint-answers")


def test_deleting_what_is_used_lists_it_and_all_of_it_comes_back(hub: Hub, page: Page, table: Path) -> None:
    name = f"vera{next(NUMBERS)}"
    hub.sign_up(name)
    open_lab(page, hub, name)
    dataset = create_dataset(page, "used", table)
    dataset.get_by_test_id("orrery-delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_test_id("orrery-dependents")).to_contain_text("used")
    look(page, "11-delete-refused")
    page.get_by_role("dialog").get_by_role("button", name="Delete all of these").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete all 2").click()
    expect(page.get_by_test_id("orrery-recent-used")).to_have_count(0)
    page.get_by_role("button", name=re.compile("Undo", re.IGNORECASE)).first.click()
    expect(page.get_by_test_id("orrery-recent-used").first).to_be_visible()


def test_nobody_sees_anothers_things_in_the_side_bar(hub: Hub, chromium: Browser, page: Page, table: Path) -> None:
    first, second = f"vera{next(NUMBERS)}", f"vera{next(NUMBERS)}"
    hub.sign_up(first)
    open_lab(page, hub, first)
    create_dataset(page, "private-table", table)
    hub.sign_up(second)
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    try:
        other = context.new_page()
        other.set_default_timeout(30_000)
        open_lab(other, hub, second)
        expect(other.get_by_test_id("orrery-list-dataset")).to_be_visible()
        expect(other.get_by_test_id("orrery-recent-private-table")).to_have_count(0)
    finally:
        context.close()


def test_the_panels_are_accessible_in_both_themes(hub: Hub, page: Page, table: Path) -> None:
    name = f"vera{next(NUMBERS)}"
    hub.sign_up(name)
    open_lab(page, hub, name)
    create_dataset(page, "themed", table)
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.locator(".lm-MenuBar-item").filter(has_text="Settings").click()
        page.locator(".lm-Menu-item").filter(has_text=re.compile("^Theme")).first.hover()
        page.locator(".lm-Menu-item").filter(has_text=re.compile(f"^{theme}$")).first.click()
        expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
        page.get_by_test_id("orrery-new-training").click()
        expect(panel(page, "orrery-form-training")).to_be_visible()
        look(page, f"12-form-{theme.rpartition(' ')[2].lower()}")
        page.add_script_tag(path=AXE)
        found = page.evaluate(
            "async () => (await axe.run('.orr-Panel, [data-testid=orrery-side-bar]')).violations"
            ".filter(v => ['serious', 'critical'].includes(v.impact))"
            ".map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' | '))"
        )
        assert found == []
