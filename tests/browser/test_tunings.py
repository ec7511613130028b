"""Tunings in a real JupyterLab: made by the form, followed trial by trial, drawn, compared, made a model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.lab import LONG_MILLISECONDS, execute, look, open_lab, panel, running_lab, use_theme, violations

from orrery import Client
from orrery.testing.jupyter import Jupyter

#: a hill with its top at (2, 3)
HILL = """
import argparse, os, pathlib
from orrery.jobs import report
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, default=0.0)
parser.add_argument("--n", type=int, default=1)
parser.add_argument("--kind", choices=["flat", "steep"], default="flat")
a = parser.parse_args()
if a.x > 90:
    raise SystemExit("fell off")
height = 10 - (a.x - 2) ** 2 - (a.n - 3) ** 2 - (2 if a.kind == "flat" else 0)
pathlib.Path(os.environ["EM_MODEL_DIR"], "weights.bin").write_bytes(str(height).encode())
report.result({"height": height, "cost": abs(a.x)})
"""
SPACE = {"x": "-5..5", "n": "1..8", "kind": "flat,steep"}
PAGE = '[data-testid="orrery-detail-tuning"]:not(.lm-mod-hidden)'

Stocked = tuple[Jupyter, httpx.Client]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    """An algorithm of one's own, a tuning of it with one objective and one with two."""
    with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
        with Client(f"{lab.url}/orrery", lab.token) as sdk:
            sdk.algorithms.create("hill", {"hill.py": HILL.encode()})
            sdk.tune("hill", name="one", space=SPACE, objective="maximize:height", trials=12, seed=7, wait=True)
            both = ["maximize:height", "minimize:cost"]
            sdk.tune("hill", name="two", space=SPACE, objective=both, trials=10, seed=7, wait=True)
        yield lab, client


def open_tuning(page: Page, stocked: Stocked, name: str, tab: str) -> Locator:
    lab, client = stocked
    tuning: dict[str, Any] = client.get(f"tunings/{name}").json()
    open_lab(page, lab)
    execute(page, "orrery:open", {"kind": "tuning", "ref": tuning["id"], "tab": tab})
    detail = panel(page, "orrery-detail-tuning")
    expect(detail.get_by_test_id(f"orrery-panel-{tab}")).to_be_visible(timeout=LONG_MILLISECONDS)
    return detail


def see_in_both_themes(page: Page, name: str, selector: str) -> None:
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"tuning-{name}-{theme}")
        assert violations(page, selector) == []


def test_a_tuning_is_made_by_the_form_followed_and_made_a_model(stocked: Stocked, page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 1500})
    lab, client = stocked
    open_lab(page, lab)
    execute(page, "orrery:create", {"kind": "tuning"})
    form = panel(page, "orrery-form-tuning")
    expect(form.get_by_text("Choose the algorithm first").first).to_be_visible(timeout=LONG_MILLISECONDS)
    form.get_by_label("Name", exact=True).fill("search")
    form.get_by_role("combobox", name="Algorithm").click()
    form.get_by_role("option", name=re.compile("hill")).first.click()

    # what is searched has no fixed value
    fixed = form.get_by_role("group", name="Fixed hyperparameters")
    expect(fixed.get_by_label("X", exact=True)).to_be_visible()
    form.get_by_label("Hyperparameter to search").select_option("x")
    form.get_by_test_id("orrery-space-add").click()
    expect(fixed.get_by_label("X", exact=True)).to_have_count(0)
    row = form.get_by_test_id("orrery-space-x")
    expect(row.get_by_label("How x is searched")).to_be_focused()

    # what is wrong is said at the row once it is left, and goes when it is right
    row.get_by_label("x: Min").fill("5")
    row.get_by_label("x: Max").fill("-5")
    form.get_by_label("Hyperparameter to search").focus()
    expect(row.get_by_role("alert")).to_have_text("low (5) is above high (-5); exchange them")
    row.get_by_label("x: Min").fill("-5")
    row.get_by_label("x: Max").fill("5")
    expect(row.get_by_role("alert")).to_have_count(0)
    form.get_by_label("Hyperparameter to search").select_option("n")
    form.get_by_test_id("orrery-space-add").click()
    form.get_by_label("n: Min").fill("1")
    form.get_by_label("n: Max").fill("8")
    form.get_by_label("n: Step").fill("1")
    form.get_by_label("Hyperparameter to search").select_option("kind")
    form.get_by_test_id("orrery-space-add").click()
    kinds = form.get_by_test_id("orrery-space-kind")
    expect(kinds.get_by_label("steep")).to_be_checked()

    # only where kind is steep
    form.get_by_test_id("orrery-space-n").get_by_text("More", exact=True).click()
    form.get_by_label("n: only where").select_option("kind")
    form.get_by_role("group", name="n: where kind is").get_by_label("steep").check()

    form.get_by_label("Metric 1", exact=True).fill("height")
    form.get_by_label("Max trials", exact=True).fill("6")
    form.get_by_label("Parallel", exact=True).fill("1")
    expect(form.get_by_test_id("orrery-cost")).to_contain_text("1 core")
    see_in_both_themes(page, "form", '[data-testid="orrery-form-tuning"]')
    form.get_by_test_id("orrery-submit").click()

    # its trials come by themselves
    detail = panel(page, "orrery-detail-tuning")
    detail.get_by_test_id("orrery-tab-trials").click(timeout=LONG_MILLISECONDS)
    expect(detail.get_by_test_id("orrery-trial-5")).to_contain_text("SUCCEEDED", timeout=LONG_MILLISECONDS)
    expect(detail.get_by_test_id("orrery-phase")).to_have_attribute("data-phase", "COMPLETE", timeout=LONG_MILLISECONDS)
    expect(detail.get_by_test_id("orrery-trial-counts")).to_have_text("6 trials: 6 SUCCEEDED")
    made = client.get("tunings/search").json()
    assert made["spec"]["space"]["n"] | {"step": 1, "when": {"kind": ["steep"]}} == made["spec"]["space"]["n"]
    assert {item["parameters"].get("kind") for item in client.get(f"tunings/{made['id']}/trials").json()["items"]} <= {
        "flat",
        "steep",
    }

    # the best of them becomes a model
    detail.get_by_test_id("orrery-tab-overview").click()
    found = detail.get_by_test_id("orrery-found")
    expect(found).to_contain_text("height")
    with page.expect_download() as study:
        found.get_by_test_id("orrery-download-study").click()
    assert study.value.suggested_filename == "search-journal.log"
    best = made["status"]["outputs"]["best"]["trial"]
    found.get_by_test_id(f"orrery-create-model-{best}").click()
    model = panel(page, "orrery-detail-model")
    expect(model.get_by_test_id("orrery-name")).to_have_text("search@1", timeout=LONG_MILLISECONDS)


def test_a_copy_begins_with_the_space_of_the_original(stocked: Stocked, page: Page) -> None:
    detail = open_tuning(page, stocked, "one", "overview")
    expect(detail.get_by_test_id("orrery-space")).to_contain_text("-5..5")
    detail.get_by_test_id("orrery-copy").click()
    form = panel(page, "orrery-form-tuning")
    expect(form.get_by_label("x: Min")).to_have_value("-5", timeout=LONG_MILLISECONDS)
    expect(form.get_by_label("Metric 1", exact=True)).to_have_value("height")
    form.get_by_role("button", name="Do not search x").click()
    expect(form.get_by_test_id("orrery-space-x")).to_have_count(0)
    expect(form.get_by_role("group", name="Fixed hyperparameters").get_by_label("X", exact=True)).to_have_value("0")


def test_a_template_fills_in_the_form(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    spec = {"algorithm": "hill", "parameters": {"kind": "steep"}, "priority": "LOW"}
    assert client.post("templates", json={"name": "hilly", "spec": spec}).status_code == 201
    open_lab(page, lab)
    execute(page, "orrery:open", {"kind": "template", "ref": "hilly"})
    page.get_by_role("button", name="Tune with it").click()
    form = panel(page, "orrery-form-tuning")
    chosen = form.get_by_label("Kind", exact=True).locator("option:checked")
    expect(chosen).to_have_text("steep", timeout=LONG_MILLISECONDS)
    expect(form.get_by_label("Priority", exact=True).locator("option:checked")).to_have_text("LOW")
    look(page, "tuning-from-template")


def test_trials_are_sorted_chosen_by_keyboard_and_compared(stocked: Stocked, page: Page) -> None:
    detail = open_tuning(page, stocked, "one", "trials")
    grid = detail.get_by_role("grid", name="Trials")
    grid.get_by_role("button", name="height (max)").click()
    grid.get_by_role("button", name="height (max)").click()
    expect(grid.get_by_role("columnheader", name="height (max)")).to_have_attribute("aria-sort", "descending")
    rows = grid.locator(".orr-Grid-row.orr-mod-body")
    expect(rows.first).to_contain_text("best")
    expect(grid.get_by_text("best", exact=True)).to_have_count(1)
    rows.first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(grid.get_by_role("row", selected=True)).to_have_count(2)
    see_in_both_themes(page, "trials", PAGE)
    detail.get_by_test_id("orrery-trials-compare").click()
    comparison = panel(page, "orrery-compare")
    expect(comparison.get_by_role("heading", name="Compare 2 runs")).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(comparison.get_by_role("rowheader", name="X", exact=True)).to_be_visible()


def test_plots_are_drawn_with_their_numbers_and_brushed_by_keyboard(stocked: Stocked, page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 2000})
    detail = open_tuning(page, stocked, "one", "plots")
    history = detail.get_by_test_id("orrery-plot-history")
    expect(history.get_by_role("img")).to_have_accessible_name(re.compile("height by trial: 12 trials"))
    history.get_by_text("Show as a table").click()
    expect(history.get_by_role("row")).to_have_count(13)
    history.get_by_text("Show as a table").click()
    importances = detail.get_by_test_id("orrery-plot-importances")
    expect(importances.get_by_role("rowheader", name="x", exact=True)).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(detail.get_by_test_id("orrery-plot-slice").get_by_role("img")).to_have_count(3)

    contour = detail.get_by_test_id("orrery-plot-contour")
    contour.get_by_label("Across").select_option("n")
    contour.get_by_label("Upwards").select_option("x")
    expect(contour.get_by_role("img")).to_have_accessible_name(re.compile("height over n and x: 12 trials"))

    parallel = detail.get_by_test_id("orrery-plot-parallel")
    count = parallel.get_by_test_id("orrery-parallel-count")
    expect(count).to_contain_text("12 trials")
    parallel.get_by_role("slider", name="Least height").focus()
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    expect(count).to_have_text(re.compile(r"^([1-9]|1[01]) of 12 trials within"))
    use_theme(page, "light")
    see_in_both_themes(page, "plots", PAGE)
    page.keyboard.press("Escape")
    expect(count).to_contain_text("12 trials; the better")

    # the same with the pointer: the upper half of an axis
    area = parallel.get_by_test_id("orrery-axis-kind")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    x, middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, middle)
    page.mouse.down()
    page.mouse.move(x, box["y"] + 1, steps=4)
    page.mouse.up()
    expect(count).to_have_text(re.compile("of 12 trials within"))
    parallel.get_by_role("button", name="Show all").click()
    expect(count).to_contain_text("12 trials; the better")


def test_of_several_objectives_the_front_is_shown(stocked: Stocked, page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 1600})
    detail = open_tuning(page, stocked, "two", "overview")
    found = detail.get_by_test_id("orrery-found")
    expect(found.get_by_role("columnheader", name="cost")).to_be_visible()
    front = found.get_by_role("rowheader").all_inner_texts()
    see_in_both_themes(page, "front", PAGE)
    detail.get_by_test_id("orrery-tab-plots").click()
    pareto = detail.get_by_test_id("orrery-plot-pareto")
    expect(pareto.get_by_role("img")).to_have_accessible_name(re.compile("cost by height: 10 trials"))
    pareto.get_by_text("Show as a table").click()
    numbers = pareto.get_by_role("row").locator("td:first-child")
    expect(numbers).to_have_count(len(front))
    assert sorted(numbers.all_inner_texts()) == sorted(front)
    detail.get_by_label("Objective", exact=True).select_option("1")
    expect(detail.get_by_test_id("orrery-plot-history").get_by_role("img")).to_have_accessible_name(
        re.compile("cost by trial")
    )
    see_in_both_themes(page, "pareto", PAGE)


#: labels of an axis that overlap one another, or reach beyond the drawing
BAD_LABELS = """panel => [...panel.querySelectorAll('svg')].flatMap(svg => {
    const edge = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map(node => [node.textContent, node.getBoundingClientRect()]);
    const cut = texts.filter(([, box]) => box.left < edge.left - 1 || box.right > edge.right + 1);
    const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top + 2 || b.bottom <= a.top + 2;
    const over = texts.flatMap(([text, box], at) =>
        texts.slice(at + 1).filter(([, other]) => !apart(box, other)).map(([other]) => `${text} over ${other}`));
    return [...cut.map(([text]) => `${text} is cut`), ...over];
})"""


def test_the_labels_of_the_plots_have_room_in_a_narrow_panel(stocked: Stocked, page: Page) -> None:
    page.set_viewport_size({"width": 760, "height": 2600})
    detail = open_tuning(page, stocked, "one", "plots")
    use_theme(page, "dark")
    expect(detail.get_by_test_id("orrery-plot-importances").get_by_role("rowheader").first).to_be_visible(
        timeout=LONG_MILLISECONDS
    )
    drawn = detail.get_by_test_id("orrery-panel-plots")
    for size in (760, 1000, 1440):
        page.set_viewport_size({"width": size, "height": 2600})
        expect(detail.get_by_test_id("orrery-plot-history").get_by_role("img")).to_be_visible()
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
        look(page, f"tuning-labels-{size}")
        assert drawn.evaluate(BAD_LABELS) == []


def test_its_study_opens_in_optuna_dashboard(stocked: Stocked, page: Page) -> None:
    detail = open_tuning(page, stocked, "one", "overview")
    with page.expect_popup() as opened:
        detail.get_by_test_id("orrery-open-app-optuna").click()
    board = opened.value
    board.set_default_timeout(30_000)
    expect(board).to_have_title(re.compile("one · Optuna"), timeout=LONG_MILLISECONDS)
    shown = board.frame_locator("iframe[data-pass]")
    expect(shown.get_by_text("one (id=0)")).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(shown.get_by_role("heading", name="Hyperparameter Importance")).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(shown.locator(".js-plotly-plot").first).to_be_visible(timeout=LONG_MILLISECONDS)
    look(board, "tuning-optuna-light")
    # its pages are behind the # of the address, in which nothing else stands, and are found again
    shown.locator("a[href$='/studies/0/trials']").click()
    expect(shown.get_by_text(re.compile(r"Trial \d+ \(trial_id=")).first).to_be_visible(timeout=LONG_MILLISECONDS)
    assert "~" not in board.url and board.url.endswith("_optuna/#/dashboard/studies/0/trials")
    board.emulate_media(color_scheme="dark")
    board.reload()
    expect(shown.get_by_text(re.compile(r"Trial \d+ \(trial_id=")).first).to_be_visible(timeout=LONG_MILLISECONDS)
    look(board, "tuning-optuna-dark")
