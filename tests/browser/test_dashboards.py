"""Panels in a notebook's cell, and dashboards that Voila renders, in a real JupyterLab and a real browser.

Every stage leaves a sight in `.screenshots/`, to be looked at.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from sklearn.datasets import load_iris

import orrery
from orrery.client import Client
from orrery.testing.jupyter import Jupyter, jupyter_lab
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
SIGHTS = REPOSITORY / ".screenshots"
AXE = REPOSITORY / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
#: a kernel's start, a training or a page of Voila on a busy machine
LONG_MILLISECONDS = 120_000
VIOLATIONS = """async where => (await axe.run(where)).violations
    .filter(found => ['serious', 'critical'].includes(found.impact))
    .map(found => found.id + ': ' + found.nodes.map(node => node.html.slice(0, 160)).join(' | '))"""


@dataclass(frozen=True)
class Place:
    """A JupyterLab over a platform with two runs and an endpoint."""

    jupyter: Jupyter
    client: Client
    folder: Path
    #: what each dashboard is asked to show
    ids: dict[str, str]

    def dashboard(self, name: str, theme: str = "light") -> str:
        address = f"{self.jupyter.url}/orrery-extension/dashboards/{name}?token={self.jupyter.token}&theme={theme}"
        return f"{address}&id={self.ids[name]}" if name in self.ids else address


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = Path(tempfile.mkdtemp(prefix="orrery-"))
    folder = tmp_path_factory.mktemp("lab")
    with RunningPlatform(home) as platform, orrery.Client(platform.url, platform.announcement["token"]) as client:
        data: Any = load_iris(as_frame=True)
        frame: pd.DataFrame = data.frame.rename(columns={"target": "species"})
        frame["species"] = [str(data.target_names[value]) for value in frame["species"]]
        client.datasets.create("iris", {"iris.csv": frame}, publish=True, progress=False)
        noise = np.random.default_rng(2).normal(size=(600, 15)) ** 5
        wide = pd.DataFrame({f"sensor {place:02}": noise[:, place] for place in range(15)})
        client.datasets.create("wide", {"wide.csv": wide}, publish=True, progress=False)
        runs = [
            client.train(algorithm, name=algorithm, dataset="iris", target="species", wait=True, progress=False)
            for algorithm in ("xgboost", "logistic-regression")
        ]
        endpoint = client.deploy(runs[0], endpoint="iris", progress=False)
        ids = {
            "run-comparison": ",".join(run.id for run in runs),
            "model-card": runs[0].model.id,
            "endpoint-playground": endpoint.id,
            "data-insight": client.dataset_versions.get("wide").id,
        }
        with jupyter_lab(home, folder) as jupyter:
            yield Place(jupyter, client, folder, ids)
    shutil.rmtree(home, ignore_errors=True)


def look(page: Page, name: str) -> None:
    SIGHTS.mkdir(exist_ok=True)
    page.screenshot(path=SIGHTS / f"dashboards-{name}.png")


def violations(page: Page, where: str) -> list[str]:
    page.add_script_tag(path=AXE)
    return page.evaluate(VIOLATIONS, where)


def only_from(page: Page, url: str) -> list[str]:
    """A list that fills with the addresses on other hosts that the page asks for."""
    foreign: list[str] = []
    page.on(
        "request",
        lambda request: None if request.url.startswith((url, "data:", "blob:")) else foreign.append(request.url),
    )
    return foreign


def open_notebook(page: Page, place: Place, name: str, code: str) -> None:
    """A notebook with one cell, its kernel started."""
    cell = {"cell_type": "code", "id": "panel", "metadata": {}, "source": code, "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    document = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (place.folder / f"{name}.ipynb").write_text(json.dumps(document))
    page.goto(f"{place.jupyter.url}/lab/tree/{name}.ipynb?token={place.jupyter.token}&reset")
    page.locator(".jp-StatusBar-Widget", has_text="| Idle").wait_for(timeout=LONG_MILLISECONDS)


def choose_theme(page: Page, theme: str) -> None:
    page.locator(".lm-MenuBar-item").filter(has_text="Settings").click()
    page.locator(".lm-Menu-item").filter(has_text=re.compile("^Theme")).first.hover()
    page.locator(".lm-Menu-item").filter(has_text=re.compile(f"^{theme}$")).first.click()
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme)


def test_a_form_in_a_cell_becomes_the_run_that_it_begins(place: Place, page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 1300})
    code = 'from orrery_widgets import TrainingForm\nTrainingForm("xgboost", "iris", "species", key="clicked")'
    open_notebook(page, place, "form", code)
    page.locator(".jp-Notebook .jp-CodeCell").first.click()
    page.keyboard.press("Shift+Enter")
    panel = page.locator(".orrw").first
    name = panel.get_by_label("Name", exact=True)
    expect(name).to_have_value("iris-1", timeout=LONG_MILLISECONDS)
    expect(panel.get_by_label("Target", exact=True)).to_have_value("species")
    panel.get_by_role("button", name="More parameters").click()
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        choose_theme(page, theme)
        look(page, f"form-{theme.rpartition(' ')[2].lower()}")
        assert violations(page, ".orrw") == [], theme

    depth = panel.get_by_label("Max depth", exact=True)
    depth.fill("50")
    depth.press("Tab")
    panel.get_by_role("button", name="Start training").click()
    refusal = panel.get_by_role("alert").filter(has_text="it must be a whole number from 1 to 20")
    expect(refusal).to_be_visible(timeout=LONG_MILLISECONDS)
    look(page, "form-refused")
    assert violations(page, ".orrw") == [], "with a refusal"
    depth.fill("3")
    depth.press("Tab")
    panel.get_by_role("button", name="Show the SDK call").click()
    expect(panel.get_by_role("region", name="The SDK call")).to_contain_text('"max_depth": 3')
    panel.get_by_role("button", name="Open as notebook").click()
    expect(panel.get_by_role("link", name="iris-1.ipynb")).to_be_visible()
    assert "max_depth = 3" in (place.folder / "iris-1.ipynb").read_text()
    panel.get_by_role("button", name="Start training").click()
    expect(panel.get_by_text("COMPLETE", exact=True)).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(panel.get_by_text("accuracy")).to_be_visible()
    expect(panel.get_by_text("COMPLETE", exact=True)).to_be_in_viewport()
    expect(panel.get_by_role("button", name="Deploy")).to_be_visible()
    look(page, "form-run")
    assert place.client.trainings.get("iris-1").spec["parameters"] == {"target": "species", "max_depth": 3}

    page.get_by_role("menuitem", name="Kernel").click()
    page.get_by_role("menuitem", name="Restart Kernel and Run All Cells…").click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    found = page.locator(".orrw").first.get_by_text("COMPLETE", exact=True)
    expect(found).to_be_visible(timeout=LONG_MILLISECONDS)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_comparison_of_runs_is_a_page_without_code(place: Place, page: Page, theme: str) -> None:
    foreign = only_from(page, place.jupyter.url)
    page.goto(place.dashboard("run-comparison", theme))
    expect(page.get_by_role("heading", name="Compare runs")).to_be_visible(timeout=LONG_MILLISECONDS)
    panel = page.locator(".orrw")
    expect(panel.get_by_role("checkbox", name="logistic-regression")).to_be_checked(timeout=LONG_MILLISECONDS)
    expect(panel.get_by_role("checkbox", name="xgboost")).to_be_checked()
    expect(panel.get_by_role("img", name=re.compile("log_loss: xgboost .*, logistic-regression"))).to_be_visible()
    table = panel.get_by_role("table", name="The chosen runs side by side")
    expect(table.get_by_role("row", name="accuracy", exact=False).first).to_be_visible()
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "true" if theme == "light" else "false")
    look(page, f"runs-{theme}")
    assert violations(page, "body") == []
    assert "orrery_widgets" not in page.locator("body").inner_text(), "the code is not shown"
    assert foreign == [], "nothing comes from another host"

    panel.get_by_label("Filter").fill("logistic")
    panel.get_by_label("Filter").press("Tab")
    expect(panel.get_by_text(re.compile(r"^1 of 1 run, \d without the filter$"))).to_be_visible()
    expect(panel.get_by_role("checkbox", name="xgboost")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_endpoint_is_asked_on_a_page(place: Place, page: Page, theme: str) -> None:
    page.goto(place.dashboard("endpoint-playground", theme))
    panel = page.locator(".orrw")
    length = panel.get_by_label("petal length (cm)", exact=True)
    expect(length).to_be_visible(timeout=LONG_MILLISECONDS)
    length.fill("5.9")
    length.press("Tab")
    panel.get_by_label("petal width (cm)", exact=True).fill("2.2")
    panel.get_by_label("petal width (cm)", exact=True).press("Tab")
    panel.get_by_role("button", name="Ask").click()
    expect(panel.get_by_text("answered in")).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(panel.locator("b", has_text="virginica")).to_be_visible()
    panel.get_by_role("button", name="curl").click()
    expect(panel.get_by_role("region", name="The call in curl")).to_contain_text('"petal length (cm)": 5.9')
    look(page, f"playground-{theme}")
    assert violations(page, "body") == []
    panel.get_by_role("button", name="JSON").click()
    expect(panel.get_by_label("JSON")).to_have_value(re.compile("instances"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_model_card_says_where_the_model_came_from(place: Place, page: Page, theme: str) -> None:
    page.goto(place.dashboard("model-card", theme))
    panel = page.locator(".orrw").first
    lineage = panel.get_by_role("table", name="Where it came from, and what uses it")
    expect(lineage).to_contain_text("orrery/xgboost", timeout=LONG_MILLISECONDS)
    expect(lineage).to_contain_text("/iris@1")
    expect(lineage.get_by_role("row").filter(has_text="Used by endpoint")).to_be_visible()
    panel.get_by_role("button", name="Deploy", exact=True).click()
    inner = panel.locator(".orrw")
    expect(inner.get_by_label("Traffic share in %")).to_be_visible()
    look(page, f"model-{theme}")
    assert violations(page, "body") == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_wide_table_is_looked_into_with_like_findings_in_one_line(place: Place, page: Page, theme: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 1100})
    page.goto(place.dashboard("data-insight", theme))
    line = page.get_by_text("15 columns have many outliers: 'sensor 00', 'sensor 01', 'sensor 02' and 12 more")
    expect(line).to_be_visible(timeout=LONG_MILLISECONDS)
    each = page.get_by_text(re.compile("values of 'sensor 14' lie more than"))
    expect(each).not_to_be_visible()
    look(page, f"insight-{theme}")
    assert violations(page, "body") == []
    line.focus()
    page.keyboard.press("Enter")
    expect(each).to_be_visible()
    look(page, f"insight-unfolded-{theme}")
    page.get_by_role("button", name="Open as notebook").click()
    expect(page.get_by_role("link", name=re.compile(r"insight-wide(-\d)?\.ipynb"))).to_be_visible()
    page.get_by_role("tab", name="Visualize").click()
    expect(page.get_by_role("img", name=re.compile("^scatter of"))).to_be_visible()
    assert violations(page, "body") == []


def test_a_page_without_an_id_offers_a_choice_and_its_kernel_ends_with_it(place: Place, page: Page) -> None:
    address = place.dashboard("endpoint-playground").partition("&id=")[0]
    with place.jupyter.client() as server:
        before = {kernel["id"] for kernel in server.get("/api/kernels").json()}
        page.goto(address)
        picker = page.locator(".orrw").get_by_label("Endpoint", exact=True)
        expect(picker).to_be_visible(timeout=LONG_MILLISECONDS)
        expect(picker.locator("option")).to_have_count(1)
        own = {kernel["id"] for kernel in server.get("/api/kernels").json()} - before
        assert len(own) == 1
        page.goto("about:blank")
        wait_until(
            lambda: not own & {kernel["id"] for kernel in server.get("/api/kernels").json()},
            what="its kernel has ended",
        )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_training_is_begun_on_a_page(place: Place, page: Page, theme: str) -> None:
    page.set_viewport_size({"width": 1100, "height": 1500})
    page.goto(f"{place.dashboard('training', theme)}&dataset=iris&algorithm=xgboost")
    panel = page.locator(".orrw").first
    expect(panel.get_by_role("status").filter(has_text="Fits:")).to_be_visible(timeout=LONG_MILLISECONDS)
    panel.get_by_label("Target").select_option("species")
    panel.get_by_role("button", name="More settings").press("Enter")
    panel.get_by_label("Longest time").fill("1h")
    name = panel.get_by_label("Name", exact=True).input_value()
    look(page, f"training-{theme}")
    assert violations(page, "body") == []
    panel.get_by_role("button", name="Start training").press("Enter")
    expect(panel.get_by_text("COMPLETE", exact=True)).to_be_visible(timeout=LONG_MILLISECONDS)
    assert place.client.trainings.get(name).spec["max_seconds"] == 3600
    look(page, f"training-run-{theme}")
    assert violations(page, "body") == []
