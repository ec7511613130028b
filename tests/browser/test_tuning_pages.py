"""What is found of tunings in a real JupyterLab: their list, their trials among the trainings, what these use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Request, expect
from tests.browser.lab import LONG_MILLISECONDS, execute, look, open_lab, panel, running_lab, use_theme, violations

from orrery import Client
from orrery.testing.jupyter import Jupyter

#: takes long enough to be sampled
WORK = """
import argparse, os, pathlib, time
from orrery.jobs import report
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, default=0.0)
a = parser.parse_args()
if a.x > 4.5:
    raise SystemExit("fell off")
end = time.monotonic() + 5
while time.monotonic() < end:
    sum(range(10_000))
pathlib.Path(os.environ["EM_MODEL_DIR"], "weights.bin").write_bytes(b"w")
report.result({"height": 10 - (a.x - 2) ** 2, "cost": abs(a.x)})
"""
SPACE = {"x": "-5..4"}

Stocked = tuple[Jupyter, httpx.Client]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    """A tuning of one objective and one of two, of an algorithm of one's own."""
    with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
        with Client(f"{lab.url}/orrery", lab.token) as sdk:
            sdk.algorithms.create("work", {"work.py": WORK.encode()})
            sdk.tune("work", name="one", space=SPACE, objective="maximize:height", trials=4, parallel=2, wait=True)
            both = ["maximize:height", "minimize:cost"]
            sdk.tune("work", name="two", space=SPACE, objective=both, trials=2, parallel=2, wait=True)
            sdk.train("work", name="alone", parameters={"x": 1.5}, register_model=False, wait=True)
        yield lab, client


def test_a_list_of_tunings_names_the_best_training_and_asks_for_nothing_more(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    best: dict[str, Any] = client.get("tunings/one").json()["status"]["outputs"]["best"]
    open_lab(page, lab)
    execute(page, "orrery:show-side-bar")
    expect(page.get_by_test_id("orrery-side-bar")).to_contain_text("Signed in as")
    asked: list[str] = []

    def note(request: Request) -> None:
        if re.search(r"/api/v1/(trainings|tunings)/", request.url):
            asked.append(request.url)

    page.on("request", note)
    execute(page, "orrery:open-list", {"kind": "tuning"})
    listed = panel(page, "orrery-list-tuning")
    row = listed.get_by_test_id("orrery-row-one")
    expect(row).to_contain_text("4 of 4")
    expect(row).to_contain_text(f"height {best['value']:.5g}"[:11])
    expect(listed.get_by_test_id("orrery-row-two")).to_contain_text(re.compile("[12] best trials?"))
    assert asked == []
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"tunings-{theme}")
        assert violations(page, '[data-testid="orrery-list-tuning"]') == []
    link = row.get_by_role("button", name=best["name"], exact=True)
    link.focus()
    page.keyboard.press("Enter")
    expect(panel(page, "orrery-detail-training").get_by_test_id("orrery-name")).to_have_text(best["name"])


def test_what_the_trials_of_a_tuning_use_is_drawn_together_and_one_by_one(stocked: Stocked, page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 1200})
    lab, client = stocked
    tuning = client.get("tunings/one").json()
    open_lab(page, lab)
    execute(page, "orrery:open", {"kind": "tuning", "ref": tuning["id"]})
    detail = panel(page, "orrery-detail-tuning")
    tab = detail.get_by_role("tab", name="Monitoring")
    tab.click(timeout=LONG_MILLISECONDS)
    shown = detail.get_by_test_id("orrery-panel-usage")
    charts = shown.get_by_test_id("orrery-usage-charts").get_by_role("img")
    expect(charts.first).to_have_accessible_name(re.compile("Cores in use over time, .* all trials: last"))
    expect(shown.get_by_role("status")).to_have_text(re.compile("^4 trials, memory as the mean"))
    summary = shown.get_by_test_id("orrery-usage-summary")
    expect(summary.get_by_role("rowheader", name="all trials")).to_be_visible()
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"tuning-monitoring-{theme}")
        assert violations(page, '[data-testid="orrery-detail-tuning"]:not(.lm-mod-hidden)') == []

    # one by one, by keyboard
    choice = shown.get_by_role("button", name="By trial")
    choice.focus()
    page.keyboard.press("Enter")
    expect(choice).to_have_attribute("aria-pressed", "true")
    expect(charts.first).to_have_accessible_name(re.compile(r"trial 0: last .*; trial 3: last"))
    expect(summary.get_by_role("row")).to_have_count(6)
    use_theme(page, "light")
    look(page, "tuning-monitoring-trials")
    assert violations(page, '[data-testid="orrery-detail-tuning"]:not(.lm-mod-hidden)') == []
    summary.get_by_role("button", name="2", exact=True).click()
    expect(panel(page, "orrery-detail-training").get_by_test_id("orrery-name")).to_have_text("one-2")


def names(page: Page) -> list[str]:
    listed = panel(page, "orrery-list-training")
    return [text.splitlines()[0] for text in listed.get_by_role("rowheader").all_inner_texts()]


def test_trials_are_listed_when_asked_for_with_the_columns_that_one_chooses(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    execute(page, "orrery:open-list", {"kind": "training"})
    listed = panel(page, "orrery-list-training")
    expect(listed.get_by_test_id("orrery-row-alone")).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(listed.get_by_role("status").first).to_have_text("1")
    execute(page, "orrery:show-side-bar")
    side_bar = page.get_by_test_id("orrery-side-bar")
    expect(side_bar.get_by_test_id("orrery-recent-alone")).to_be_visible()
    expect(side_bar.get_by_test_id("orrery-recent-one-0")).to_have_count(0)
    switch = listed.get_by_label("Trials of tunings")
    switch.focus()
    page.keyboard.press("Space")
    expect(listed.get_by_role("status").first).to_have_text("7 found")

    # columns of what they reached and were given, in order by the server
    listed.get_by_test_id("orrery-columns-menu").click()
    listed.get_by_role("group", name="Metrics").get_by_label("height").check()
    listed.get_by_role("group", name="Hyperparameters").get_by_label("x", exact=True).check()
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"trainings-columns-{theme}")
        assert violations(page, '[data-testid="orrery-list-training"]') == []
    page.keyboard.press("Escape")
    height = listed.get_by_role("columnheader", name="height")
    listed.get_by_role("button", name="height").click()
    expect(height).to_have_attribute("aria-sort", "descending")
    items = client.get("trainings", params={"order": "-metric.height"}).json()["items"]
    values = [item["status"]["outputs"]["metrics"]["height"] for item in items]
    assert values == sorted(values, reverse=True) and len(values) == 7
    expect(listed.get_by_role("rowheader").first).to_have_text(items[0]["name"])
    assert names(page) == [item["name"] for item in items]
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"trainings-sorted-{theme}")
        assert violations(page, '[data-testid="orrery-list-training"]') == []

    # all of it is as it was when the list is opened again
    kept = "(await window.jupyterapp.serviceManager.workspaces.fetch('default'))"
    page.wait_for_function(f"async () => JSON.stringify({kept}).includes('metric.height')")
    # the layout is kept apart from that, a moment later
    laid_out = f"JSON.stringify({kept}.data['layout-restorer:data'].main)"
    page.wait_for_function(f"async () => {laid_out}.includes('orrery-list:training')")
    page.goto(f"{lab.url}/lab?token={lab.token}")
    expect(panel(page, "orrery-list-training")).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(listed.get_by_role("rowheader").first).to_have_text(items[0]["name"])
    expect(listed.get_by_label("Trials of tunings")).to_be_checked()
    expect(listed.get_by_role("columnheader", name="x", exact=True)).to_be_visible()
    listed.get_by_label("Trials of tunings").uncheck()
    expect(listed.get_by_role("status").first).to_have_text("1")


def test_where_there_are_but_trials_the_list_says_so(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    client.delete("trainings/alone").raise_for_status()
    try:
        open_lab(page, lab)
        execute(page, "orrery:open-list", {"kind": "training"})
        listed = panel(page, "orrery-list-training")
        expect(listed.get_by_text("0 of 6 trainings match")).to_be_visible(timeout=LONG_MILLISECONDS)
        expect(listed.get_by_text("Not shown at first: trials of tunings.")).to_be_visible()
        assert violations(page, '[data-testid="orrery-list-training"]') == []
        listed.get_by_role("button", name="Show all").click()
        expect(listed.get_by_test_id("orrery-row-one-0")).to_be_visible()
    finally:
        alone = client.get("trainings", params={"trashed": True, "name": "alone"}).json()["items"][0]
        client.post(f"trainings/{alone['id']}/restore").raise_for_status()
