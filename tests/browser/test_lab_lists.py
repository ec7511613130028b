"""Lists, pages, forms and the side bar in a real JupyterLab: chosen, kept, reachable by keyboard, in both themes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect
from tests.browser.lab import (
    CSV,
    LONG_MILLISECONDS,
    deploy,
    execute,
    look,
    open_lab,
    panel,
    running_lab,
    train,
    use_theme,
    violations,
)

from orrery.testing.jupyter import Jupyter
from orrery.testing.platform import create_dataset, wait_settled
from orrery.testing.waiting import wait_until

Stocked = tuple[Jupyter, httpx.Client]
SECTIONS = ["notebooks", "data", "training", "model factory", "serving", "dashboards"]
STUDIES = 130
PANELS = ".orr-Panel, [data-testid=orrery-side-bar]"
SIZES: tuple[ViewportSize, ...] = ({"width": 1280, "height": 720}, {"width": 1920, "height": 1080})


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    """A table, a model behind an endpoint, two versions of a model, an experiment in use and many that are not."""
    folder = tmp_path_factory.mktemp("lab")
    with running_lab(folder) as (lab, client):
        (folder / "work" / "flowers.csv").write_bytes(CSV)
        (folder / "work" / "empty.ipynb").write_text(
            '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
        )
        create_dataset(client, "flowers", CSV)
        for number in range(STUDIES):
            tags = ["third"] if number % 3 == 0 else []
            body = {"name": f"study-{number:03d}", "tags": tags, "description": f"number {number}"}
            client.post("experiments", json=body).raise_for_status()
        spec = {
            "algorithm": "xgboost",
            "datasets": {"train": "flowers"},
            "experiment": "study-000",
            "model_name": "flora",
            "parameters": {"target": "species", "rounds": 40},
        }
        for name in ("tulip", "rose"):
            client.post("trainings", json={"name": name, "spec": spec}).raise_for_status()
            assert wait_settled(client, "trainings", name)["status"]["phase"] == "COMPLETE"
        deploy(client, "garden", "flora@1")
        yield lab, client


def show_side_bar(page: Page) -> Locator:
    execute(page, "orrery:show-side-bar")
    side_bar = page.get_by_test_id("orrery-side-bar")
    expect(side_bar).to_contain_text("Signed in as")
    return side_bar


def open_list(page: Page, kind: str) -> Locator:
    execute(page, "orrery:open-list", {"kind": kind})
    return panel(page, f"orrery-list-{kind}")


def open_page(page: Page, kind: str, name: str) -> Locator:
    execute(page, "orrery:open", {"kind": kind, "ref": f"{whoami(page)}/{name}"})
    return panel(page, f"orrery-detail-{kind}")


def open_form(page: Page, kind: str) -> Locator:
    show_side_bar(page).get_by_test_id(f"orrery-new-{kind}").click()
    form = panel(page, f"orrery-form-{kind}")
    expect(form.get_by_test_id("orrery-submit")).to_be_visible()
    return form


def whoami(page: Page) -> str:
    return show_side_bar(page).locator(".orr-SideBar-foot strong").inner_text()


def names(listed: Locator) -> list[str]:
    return [text.splitlines()[0] for text in listed.get_by_role("rowheader").all_inner_texts()]


def headers(listed: Locator) -> list[str]:
    return [text.strip(" ↓↑") for text in listed.get_by_role("columnheader").all_inner_texts() if text]


def row_of(table: Locator, name: str) -> Locator:
    header = table.page.get_by_role("rowheader", name=re.compile(f"^{name} "))
    return table.get_by_role("row").filter(has=header)


def choose(form: Locator, field: str, text: str) -> None:
    box = form.get_by_test_id(f"orrery-ref-{field}")
    box.click()
    box.fill(text)
    form.page.get_by_role("option").filter(has_text=text).first.click()


def reload_lab(page: Page, words: str) -> None:
    """Reload once JupyterLab has written down the state that names `words`."""
    lab = re.sub(r"/lab.*", "", page.url)
    kept = f"{lab}/lab/api/workspaces/default"
    read = "async address => (await fetch(address)).text()"
    wait_until(lambda: words in page.evaluate(read, kept), what=f"{words!r} in the workspace", seconds=30)
    page.goto(f"{lab}/lab")
    expect(page.locator('[data-id="orrery-side-bar"]').first).to_be_visible(timeout=LONG_MILLISECONDS)


def test_a_list_is_filtered_and_ordered_and_stays_so_after_a_reload(stocked: Stocked, page: Page) -> None:
    open_lab(page, stocked[0])
    listed = open_list(page, "experiment")
    expect(listed.get_by_role("status").first).to_have_text(str(STUDIES))
    listed.get_by_role("button", name="Name", exact=True).click()
    expect(listed.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")
    expect(listed.get_by_role("rowheader").first).to_have_text("study-000")
    assert names(listed)[:2] == ["study-000", "study-001"]
    listed.get_by_test_id("orrery-filter-tag").fill("third")
    expect(listed.get_by_text("44 found")).to_be_visible()
    assert names(listed)[:2] == ["study-000", "study-003"]
    listed.get_by_test_id("orrery-search").fill("no such")
    expect(listed.get_by_text(f"0 of {STUDIES} experiments match")).to_be_visible()
    look(page, "lists-no-match")

    reload_lab(page, "no such")
    listed = panel(page, "orrery-list-experiment")
    expect(listed.get_by_test_id("orrery-search")).to_have_value("no such")
    listed.get_by_test_id("orrery-clear-filters").click()
    expect(listed.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")
    expect(listed.get_by_role("status").first).to_have_text(str(STUDIES))


def test_the_columns_are_chosen_and_kept(stocked: Stocked, page: Page) -> None:
    open_lab(page, stocked[0])
    listed = open_list(page, "training")
    expect(listed.get_by_test_id("orrery-row-tulip")).to_be_visible()
    assert headers(listed)[:3] == ["Name", "Status", "Progress"]
    listed.get_by_test_id("orrery-columns-menu").click()
    listed.get_by_label("Owner", exact=True).and_(page.get_by_role("checkbox")).check()
    listed.get_by_label("Progress", exact=True).and_(page.get_by_role("checkbox")).uncheck()
    page.keyboard.press("Escape")
    expect(listed.get_by_test_id("orrery-columns-menu")).to_be_focused()
    chosen = headers(listed)
    assert "Owner" in chosen and "Progress" not in chosen
    reload_lab(page, '"status.progress": false')
    listed = open_list(page, "training")
    expect(listed.get_by_test_id("orrery-row-tulip")).to_be_visible()
    assert headers(listed) == chosen


def test_a_long_list_goes_on_and_is_walked_by_keyboard(stocked: Stocked, page: Page) -> None:
    open_lab(page, stocked[0])
    listed = open_list(page, "experiment")
    first = listed.get_by_test_id(f"orrery-row-study-{STUDIES - 1:03d}")
    first.focus()
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    expect(listed.get_by_test_id(f"orrery-row-study-{STUDIES - 3:03d}")).to_be_focused()
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    expect(listed.get_by_test_id("orrery-bulk")).to_contain_text("3 selected")
    page.keyboard.press("Escape")
    expect(listed.get_by_test_id("orrery-bulk")).to_have_count(0)
    last = listed.get_by_test_id("orrery-row-study-000")

    def is_at_the_end() -> bool:
        page.keyboard.press("End")
        return last.count() == 1 and last.evaluate("row => row === document.activeElement")

    wait_until(is_at_the_end, what="the last row", seconds=30)
    page.keyboard.press("Enter")
    expect(panel(page, "orrery-detail-experiment").get_by_test_id("orrery-name")).to_have_text("study-000")


def test_many_are_tagged_deleted_and_restored_at_once(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    listed = open_list(page, "experiment")
    listed.get_by_test_id("orrery-search").fill("study-01")
    expect(listed.get_by_text("10 found")).to_be_visible()
    listed.get_by_label("Select study-019").click()
    listed.get_by_label("Select study-017").click(modifiers=["Shift"])
    listed.get_by_test_id("orrery-bulk-tag").click()
    page.get_by_label("Add these, separated by commas").fill("spring, late")
    look(page, "lists-tags")
    page.get_by_role("button", name="Change tags").click()
    expect(page.get_by_text("3 experiments tagged.")).to_be_visible()
    tagged = client.get("experiments", params={"tag": "late"}).json()["items"]
    assert sorted(item["name"] for item in tagged) == ["study-017", "study-018", "study-019"]

    listed.get_by_label("Select study-018").click()
    listed.get_by_label("Select study-019").click()
    look(page, "lists-selected")
    listed.get_by_test_id("orrery-bulk-delete").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("2 experiments moved to the trash.")).to_be_visible()
    expect(listed.get_by_test_id("orrery-row-study-018")).to_have_count(0)

    listed.get_by_test_id("orrery-show-trash").click()
    expect(listed.get_by_test_id("orrery-row-study-018")).to_be_visible()
    listed.get_by_label("Select all that are shown").click()
    listed.get_by_test_id("orrery-bulk-restore").click()
    expect(page.get_by_text("2 experiments restored.")).to_be_visible()
    listed.get_by_test_id("orrery-leave-trash").click()
    expect(listed.get_by_test_id("orrery-row-study-018")).to_be_visible()


def test_deleting_several_shows_what_needs_one_of_them(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    listed = open_list(page, "experiment")
    listed.get_by_test_id("orrery-search").fill("study-00")
    expect(listed.get_by_text("10 found")).to_be_visible()
    listed.get_by_label("Select study-000").click()
    listed.get_by_label("Select study-001").click()
    listed.get_by_test_id("orrery-bulk-delete").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    dependents = page.get_by_test_id("orrery-dependents")
    expect(dependents.get_by_role("button", name="tulip")).to_be_visible()
    look(page, "lists-in-use")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("1 experiment moved to the trash.")).to_be_visible()
    assert client.get("experiments/study-000").json()["deleted_at"] is None
    expect(listed.get_by_test_id("orrery-row-study-001")).to_have_count(0)


def test_what_is_done_to_several_is_answered_for_each(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    listed = open_list(page, "training")
    listed.get_by_test_id("orrery-search").fill("slow")
    expect(listed.get_by_text("0 of ")).to_be_visible()
    for name in ("slow-1", "slow-2"):
        train(client, name, rounds=10_000, max_depth=10, learning_rate=0.001, early_stopping_rounds=0)
    listed.get_by_label("Select slow-1").click()
    listed.get_by_label("Select slow-2").click()
    listed.get_by_test_id("orrery-bulk-stop").click()
    # Meanwhile one of them was stopped by somebody else: that one cannot be stopped again.
    client.post("trainings/slow-1/stop").raise_for_status()
    wait_settled(client, "trainings", "slow-1")
    page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text(re.compile(r"1 training stopped, 1 could not: slow-1 \("))).to_be_visible()
    assert wait_settled(client, "trainings", "slow-2")["status"]["phase"] == "STOPPED"


def test_the_side_bar_is_walked_and_folded_by_keyboard_and_stays_folded(stocked: Stocked, page: Page) -> None:
    open_lab(page, stocked[0])
    side_bar = show_side_bar(page)
    titles = side_bar.locator(".orr-SideBar-section button").all_inner_texts()
    assert [title.lower() for title in titles] == SECTIONS
    data = side_bar.get_by_role("button", name="Data", exact=True)
    expect(side_bar.get_by_test_id("orrery-recent-flowers").first).to_be_visible()
    data.press("ArrowDown")
    expect(side_bar.get_by_test_id("orrery-list-dataset")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(side_bar.get_by_test_id("orrery-recent-flowers").first).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(side_bar.get_by_test_id("orrery-recent-flowers")).to_have_count(0)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    expect(data).to_have_attribute("aria-expanded", "false")
    expect(side_bar.get_by_test_id("orrery-list-dataset")).to_have_count(0)
    reload_lab(page, "section:data")
    side_bar = show_side_bar(page)
    expect(side_bar.get_by_role("button", name="Data", exact=True)).to_have_attribute("aria-expanded", "false")
    side_bar.get_by_role("button", name="Data", exact=True).click()
    expect(side_bar.get_by_test_id("orrery-list-dataset")).to_be_visible()


def test_an_address_leads_to_a_page_and_follows_what_is_in_front(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    training = client.get("trainings/tulip").json()["id"]
    page.goto(f"{lab.url}/lab?token={lab.token}&reset&orrery=trainings/{training}")
    expect(panel(page, "orrery-detail-training").get_by_test_id("orrery-name")).to_have_text(
        "tulip", timeout=LONG_MILLISECONDS
    )
    expect(page).to_have_url(re.compile(rf"[?&]orrery=trainings/{training}$"))
    open_list(page, "model")
    expect(page).to_have_url(re.compile(r"[?&]orrery=models$"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_page(page, "training", "rose").get_by_test_id("orrery-copy-link").click()
    expect(page.get_by_text("The link was copied.")).to_be_visible()
    rose = client.get("trainings/rose").json()["id"]
    assert page.evaluate("navigator.clipboard.readText()") == f"{lab.url}/lab?orrery=trainings/{rose}"
    page.goto(f"{lab.url}/lab?reset&orrery=planets")
    expect(page.get_by_text("The address names 'planets'").first).to_be_visible(timeout=LONG_MILLISECONDS)


def test_running_jobs_are_in_the_status_bar_and_their_end_is_told(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    side_bar = show_side_bar(page)
    expect(page.get_by_test_id("orrery-runs")).to_be_hidden()
    train(client, "daisy", rounds=10_000, max_depth=10, learning_rate=0.001, early_stopping_rounds=0)
    runs = page.get_by_test_id("orrery-runs")
    expect(runs).to_contain_text("1 running")
    expect(side_bar.get_by_test_id("orrery-list-training")).to_contain_text("1 running")
    look(page, "runs-item")
    runs.get_by_role("button").click()
    entry = page.get_by_test_id("orrery-run-daisy")
    expect(entry).to_be_focused()
    expect(entry.get_by_role("progressbar")).to_be_visible()
    entry.press("Enter")
    expect(panel(page, "orrery-detail-training").get_by_test_id("orrery-name")).to_have_text("daisy")
    execute(page, "orrery:open-list", {"kind": "dataset"})
    told = page.get_by_text(re.compile("Training daisy is complete"))
    expect(told).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(runs).to_be_hidden()
    page.locator(".Toastify__toast").filter(has=told).get_by_role("button", name="Open").click()
    expect(panel(page, "orrery-detail-training").get_by_test_id("orrery-name")).to_have_text("daisy")
    # Another window, opened afterwards, shows it as it is and has nothing to tell.
    with page.context.new_page() as other:
        open_lab(other, lab)
        expect(open_page(other, "training", "daisy").get_by_test_id("orrery-phase").first).to_have_attribute(
            "data-phase", "COMPLETE"
        )
        expect(other.get_by_text(re.compile("daisy is complete"))).to_have_count(0)


def test_nothing_is_told_of_an_end_where_the_setting_is_off(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    address = "/lab/api/settings/@orrery/lab:notifications"
    with lab.client() as jupyter:
        jupyter.put(address, json={"raw": '{"whenRunsEnd": false}'}).raise_for_status()
        try:
            open_lab(page, lab)
            listed = open_list(page, "training")
            train(client, "silent")
            phase = listed.get_by_test_id("orrery-row-silent").get_by_test_id("orrery-phase")
            expect(phase).to_have_attribute("data-phase", "COMPLETE", timeout=LONG_MILLISECONDS)
            # A word about the first would have come by the time that a second one has run.
            train(client, "silent-too")
            phase = listed.get_by_test_id("orrery-row-silent-too").get_by_test_id("orrery-phase")
            expect(phase).to_have_attribute("data-phase", "COMPLETE", timeout=LONG_MILLISECONDS)
            expect(page.get_by_text(re.compile("silent is complete"))).to_have_count(0)
        finally:
            jupyter.put(address, json={"raw": "{}"}).raise_for_status()


def test_two_windows_show_the_same_live_state(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    listed = open_list(page, "experiment")
    with page.context.new_page() as other:
        open_lab(other, lab)
        form = open_form(other, "experiment")
        form.get_by_label("Name", exact=True).fill("seen-in-both")
        form.get_by_test_id("orrery-submit").click()
        expect(listed.get_by_test_id("orrery-row-seen-in-both")).to_be_visible()
    client.delete("experiments/seen-in-both").raise_for_status()
    expect(listed.get_by_test_id("orrery-row-seen-in-both")).to_have_count(0)


def test_a_form_checks_fields_that_were_left_and_says_what_it_costs(stocked: Stocked, page: Page) -> None:
    open_lab(page, stocked[0])
    form = open_form(page, "training")
    name = form.get_by_label("Name", exact=True)
    expect(form.get_by_test_id("orrery-cost")).to_contain_text("1 core, 2.0 GiB")
    name.focus()
    page.keyboard.press("Tab")
    expect(form.get_by_text("This is needed.")).to_have_count(1)
    expect(form.get_by_test_id("orrery-problems")).to_have_count(0)
    name.fill("lily")
    expect(form.get_by_text("This is needed.")).to_have_count(0)
    choose(form, "spec_algorithm", "xgboost")
    form.get_by_label("Rounds", exact=True).fill("20000")
    expect(form.get_by_text("Must be 10000 or less.")).to_have_count(0)
    page.keyboard.press("Tab")
    expect(form.get_by_text("Must be 10000 or less.")).to_be_visible()
    look(page, "form-checked")
    reload_lab(page, "lily")
    expect(panel(page, "orrery-form-training").get_by_label("Name", exact=True)).to_have_value("lily")


def test_what_a_form_refers_to_is_made_beside_it_and_comes_back_chosen(stocked: Stocked, page: Page) -> None:
    open_lab(page, stocked[0])
    form = open_form(page, "training")
    choose(form, "spec_algorithm", "xgboost")
    form.get_by_test_id("orrery-new-for-spec_datasets_train").click()
    beside = panel(page, "orrery-form-dataset")
    beside.get_by_test_id("orrery-file-input").set_input_files(
        {"name": "fresh.csv", "mimeType": "text/csv", "buffer": CSV}
    )
    expect(beside.get_by_test_id("orrery-file-fresh.csv")).to_be_visible()
    expect(form).to_be_visible()
    look(page, "form-beside")
    beside.get_by_test_id("orrery-submit").click()
    expect(form.get_by_test_id("orrery-ref-spec_datasets_train")).to_have_value("fresh")
    expect(form.get_by_label("Target", exact=True).get_by_role("option", name="species")).to_have_count(
        1, timeout=LONG_MILLISECONDS
    )


def test_a_page_tells_defaults_apart_draws_its_lineage_and_shows_its_files(stocked: Stocked, page: Page) -> None:
    open_lab(page, stocked[0])
    detail = open_page(page, "training", "tulip")
    detail.get_by_test_id("orrery-tab-parameters").click()
    table = detail.get_by_test_id("orrery-parameters")
    expect(row_of(table, "Rounds")).to_contain_text("changed")
    expect(row_of(table, "Max depth")).to_contain_text("default")
    detail.get_by_label("Only what was changed").check()
    expect(row_of(table, "Max depth")).to_have_count(0)

    detail.get_by_test_id("orrery-tab-files").click()
    detail.get_by_test_id("orrery-look-datasets/train/data.csv").click()
    preview = detail.get_by_test_id("orrery-file-preview")
    expect(preview.get_by_role("columnheader", name="species")).to_be_visible()
    detail.get_by_test_id("orrery-look-output/roc.png").click()
    expect(preview.get_by_role("img", name="output/roc.png")).to_be_visible()

    detail.get_by_test_id("orrery-tab-logs").click()
    expect(detail.get_by_role("log")).to_contain_text("Task:")
    with page.expect_download() as download:
        detail.get_by_role("button", name="Download", exact=True).click()
    assert "Task:" in download.value.path().read_text()

    detail.get_by_test_id("orrery-tab-lineage").click()
    graph = detail.get_by_test_id("orrery-graph")
    expect(graph.get_by_test_id("orrery-node-garden")).to_be_visible()
    graph.get_by_test_id("orrery-node-flora").focus()
    look(page, "lineage")
    page.keyboard.press("Enter")
    model = panel(page, "orrery-detail-model")
    expect(model.get_by_test_id("orrery-model-card")).to_contain_text("predicts species")
    expect(model.get_by_test_id("orrery-versions")).to_contain_text("2 versions")
    reload_lab(page, '"tab": "lineage"')
    detail = open_page(page, "training", "tulip")
    expect(detail.get_by_test_id("orrery-panel-lineage")).to_be_visible()


def test_files_of_the_file_browser_become_datasets_and_notebooks_do_not(stocked: Stocked, page: Page) -> None:
    open_lab(page, stocked[0])
    execute(page, "filebrowser:activate")
    browser = page.locator(".jp-FileBrowser:visible")
    browser.get_by_text("empty.ipynb").click(button="right")
    expect(page.locator(".lm-Menu")).to_be_visible()
    expect(page.locator(".lm-Menu-item").filter(has_text="Create dataset")).to_be_hidden()
    page.keyboard.press("Escape")
    browser.get_by_text("flowers.csv").click(button="right")
    page.locator(".lm-Menu-item").filter(has_text="Create dataset from this file").click()
    form = panel(page, "orrery-form-dataset")
    expect(form.get_by_test_id("orrery-file-flowers.csv")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_panel_is_accessible_and_fits(stocked: Stocked, page: Page, theme: str) -> None:
    open_lab(page, stocked[0])
    use_theme(page, theme)
    show_side_bar(page)
    for size in SIZES:
        page.set_viewport_size(size)
        seen = f"{theme}-{size['width']}"
        listed = open_list(page, "training")
        expect(listed.get_by_test_id("orrery-row-tulip")).to_be_visible()
        listed.get_by_label("Select tulip").check()
        listed.get_by_test_id("orrery-columns-menu").click()
        look(page, f"all-list-{seen}")
        assert violations(page, PANELS) == [], f"list, {seen}"
        page.keyboard.press("Escape")
        listed.get_by_label("Select tulip").uncheck()
        detail = open_page(page, "training", "tulip")
        for tab in ("overview", "parameters", "logs", "metrics", "files", "notebook", "usage", "lineage"):
            detail.get_by_test_id(f"orrery-tab-{tab}").click()
            expect(detail.get_by_test_id(f"orrery-panel-{tab}")).to_be_visible()
            expect(detail.get_by_text("Loading …")).to_have_count(0)
            look(page, f"all-{tab}-{seen}")
            assert violations(page, PANELS) == [], f"{tab} of a training, {seen}"
        form = open_form(page, "training")
        choose(form, "spec_algorithm", "xgboost")
        expect(form.get_by_label("Rounds", exact=True)).to_be_visible()
        form.get_by_test_id("orrery-submit").click()
        expect(form.get_by_test_id("orrery-problems")).to_be_visible()
        look(page, f"all-form-{seen}")
        assert violations(page, PANELS) == [], f"form, {seen}"
