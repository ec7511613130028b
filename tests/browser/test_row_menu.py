"""What is done with one of a list without opening it, and the files of a run, in a real JupyterLab."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.lab import (
    CSV,
    LONG_MILLISECONDS,
    execute,
    look,
    open_lab,
    panel,
    running_lab,
    train,
    use_theme,
    violations,
)
from tests.browser.test_tunings import HILL, SPACE

from orrery import Client
from orrery.testing.jupyter import Jupyter
from orrery.testing.platform import create_dataset, wait_settled

Stocked = tuple[Jupyter, httpx.Client]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    """A finished training with its model, and a finished tuning."""
    with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
        create_dataset(client, "flowers", CSV)
        train(client, "oak")
        assert wait_settled(client, "trainings", "oak")["status"]["phase"] == "COMPLETE"
        client.post("experiments", json={"name": "forest"}).raise_for_status()
        with Client(f"{lab.url}/orrery", lab.token) as sdk:
            sdk.algorithms.create("hill", {"hill.py": HILL.encode()})
            sdk.tune(
                "hill", name="one", space=SPACE, objective="maximize:height", trials=3, experiment="forest", wait=True
            )
        yield lab, client


def open_list(page: Page, stocked: Stocked, kind: str) -> Locator:
    open_lab(page, stocked[0])
    execute(page, "orrery:open-list", {"kind": kind})
    return panel(page, f"orrery-list-{kind}")


def labels(menu: Locator) -> list[str]:
    return [text for text in menu.locator(".lm-Menu-itemLabel").all_inner_texts() if text]


def test_a_row_has_a_menu_with_what_its_page_offers(stocked: Stocked, page: Page) -> None:
    row = open_list(page, stocked, "training").get_by_test_id("orrery-row-oak")
    menu = page.get_by_test_id("orrery-row-menu")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        row.click(button="right")
        expect(menu).to_be_visible()
        look(page, f"row-menu-{theme}")
        page.keyboard.press("Escape")
    row.click(button="right")
    offered = labels(menu)
    assert offered[:2] == ["Open", "Open the model"]
    assert {"Create model…", "Save as template…", "TensorBoard", "Edit…", "Copy as new…", "Copy a link"} <= set(offered)
    assert offered[-1] == "Delete…"
    with page.expect_popup() as opened:
        menu.get_by_text("TensorBoard", exact=True).click()
    assert "/apps/" in opened.value.url
    opened.value.close()
    row.click(button="right")
    menu.get_by_text("Open the model", exact=True).click()
    model = panel(page, "orrery-detail-model")
    expect(model.get_by_test_id("orrery-name")).to_have_text("oak@1")
    # the page offers the same
    execute(page, "orrery:open", {"kind": "training", "ref": "oak"})
    buttons = panel(page, "orrery-detail-training").get_by_role("group", name="Actions")
    expect(buttons.get_by_role("button", name="Save as template")).to_be_visible()
    for label in ("Create model", "Open the model", "Edit"):
        expect(buttons.get_by_role("button", name=label, exact=True)).to_be_visible()


def test_an_experiment_lists_its_trainings_and_its_tunings(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    spec = {"algorithm": "xgboost", "datasets": {"train": "flowers"}, "parameters": {"target": "species", "rounds": 30}}
    for name in ("elm", "fir"):
        body = {"name": name, "spec": {**spec, "experiment": "forest"}}
        client.post("trainings", json=body).raise_for_status()
    open_lab(page, lab)
    execute(page, "orrery:open", {"kind": "experiment", "ref": "forest"})
    experiment = panel(page, "orrery-detail-experiment")
    experiment.get_by_test_id("orrery-tab-trainings").click()
    rows = experiment.get_by_role("row").filter(has=page.get_by_role("gridcell"))
    expect(rows).to_have_count(2)
    expect(experiment.get_by_role("columnheader", name="Algorithm")).to_be_visible()
    expect(experiment.get_by_test_id("orrery-row-oak")).to_have_count(0)
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"experiment-trainings-{theme}")
        assert violations(page, '[data-testid="orrery-detail-experiment"]') == []
    experiment.get_by_test_id("orrery-filter-parts").check()
    expect(rows).to_have_count(5)
    experiment.get_by_test_id("orrery-filter-parts").uncheck()
    for name in ("elm", "fir"):
        wait_settled(client, "trainings", name)
        experiment.get_by_test_id(f"orrery-row-{name}").get_by_role("checkbox").check()
    experiment.get_by_test_id("orrery-bulk-compare").click()
    expect(panel(page, "orrery-compare").get_by_text("elm").first).to_be_visible()
    execute(page, "orrery:open", {"kind": "experiment", "ref": "forest"})
    experiment.get_by_test_id("orrery-row-fir").click(button="right")
    assert labels(page.get_by_test_id("orrery-row-menu"))[0] == "Open"
    page.keyboard.press("Escape")
    experiment.get_by_test_id("orrery-tab-tunings").click()
    expect(experiment.get_by_test_id("orrery-row-one")).to_be_visible()


def test_the_menu_is_reached_by_keyboard_and_gives_the_focus_back(stocked: Stocked, page: Page) -> None:
    listed = open_list(page, stocked, "experiment")
    row = listed.get_by_test_id("orrery-row-forest")
    row.focus()
    page.keyboard.press("Shift+F10")
    menu = page.get_by_test_id("orrery-row-menu")
    expect(menu).to_be_visible()
    expect(menu.locator(".lm-mod-active")).to_have_text(re.compile("Open"))
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    expect(row).to_be_focused()
    page.keyboard.press("Shift+F10")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete experiment forest?")
    dialog.get_by_role("button", name="Cancel").click()
    assert violations(page, '[data-testid="orrery-list-experiment"]') == []


def test_what_a_tuning_found_is_a_model_by_one_click_and_its_curves_another(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    execute(page, "orrery:open", {"kind": "tuning", "ref": "one", "tab": "overview"})
    detail = panel(page, "orrery-detail-tuning")
    for kind, name in (("tuning", "one"), ("experiment", "forest")):
        execute(page, "orrery:open", {"kind": kind, "ref": name})
        link = panel(page, f"orrery-detail-{kind}").get_by_role("link", name="TensorBoard")
        with page.expect_popup() as opened:
            link.click(timeout=LONG_MILLISECONDS)
        shown = opened.value.frame_locator("iframe[data-pass]")
        expect(shown.get_by_text(re.compile("TensorBoard", re.IGNORECASE)).first).to_be_attached(
            timeout=LONG_MILLISECONDS
        )
        opened.value.close()
    execute(page, "orrery:open", {"kind": "tuning", "ref": "one", "tab": "overview"})
    best = client.get("tunings/one").json()["status"]["outputs"]["best"]
    detail.get_by_test_id(f"orrery-create-model-{best['trial']}").click()
    model = panel(page, "orrery-detail-model")
    expect(model.get_by_test_id("orrery-name")).to_have_text("one@1", timeout=LONG_MILLISECONDS)
    assert client.get("models/one").json()["spec"]["training"] == best["training"]


def test_the_files_of_a_run_are_looked_at_and_saved(stocked: Stocked, page: Page) -> None:
    open_lab(page, stocked[0])
    execute(page, "orrery:open", {"kind": "training", "ref": "oak", "tab": "files"})
    files = panel(page, "orrery-detail-training").get_by_test_id("orrery-panel-files")
    # a text, by keyboard
    text = files.get_by_test_id("orrery-look-model/orrery-model.json")
    expect(text).to_be_visible(timeout=LONG_MILLISECONDS)
    text.focus()
    page.keyboard.press("Enter")
    preview = files.get_by_test_id("orrery-file-preview")
    expect(preview).to_contain_text('"framework"')
    files.get_by_test_id("orrery-look-output/roc.png").click()
    picture = preview.get_by_role("img", name="output/roc.png")
    expect(picture).to_be_visible()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.orr-Preview img')].every(one => one.naturalWidth > 0)"
    )
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"files-{theme}")
        assert violations(page, '[data-testid="orrery-detail-training"]:not(.lm-mod-hidden)') == []
    with page.expect_download() as one:
        files.get_by_role("link", name="Download model/requirements.txt").click()
    assert one.value.suggested_filename == "requirements.txt"
    with page.expect_download() as everything:
        files.get_by_test_id("orrery-archive").click()
    with zipfile.ZipFile(Path(everything.value.path())) as archive:
        assert {"output.ipynb", "model/MLmodel", "output/roc.png"} <= set(archive.namelist())
