"""Comparing trainings in a real JupyterLab: differences, the best, curves over each other, plots, axes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Request, expect
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

from orrery.testing.jupyter import Jupyter
from orrery.testing.platform import create_dataset, wait_settled

Stocked = tuple[Jupyter, list[str]]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    """Three finished trainings that differ in two parameters."""
    with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
        create_dataset(client, "flowers", CSV)
        settings = {"oak": {"rounds": 20}, "ash": {"rounds": 60}, "elm": {"rounds": 20, "learning_rate": 0.05}}
        ids = [str(train(client, name, **parameters)["id"]) for name, parameters in settings.items()]
        for reference in ids:
            assert wait_settled(client, "trainings", reference)["status"]["phase"] == "COMPLETE"
        spec = {
            "algorithm": "logistic-regression",
            "datasets": {"train": "flowers"},
            "parameters": {"target": "species"},
        }
        client.post("trainings", json={"name": "log", "spec": spec}).raise_for_status()
        assert wait_settled(client, "trainings", "log")["status"]["phase"] == "COMPLETE"
        yield lab, ids


def compare(page: Page, stocked: Stocked) -> Locator:
    lab, ids = stocked
    open_lab(page, lab)
    execute(page, "orrery:compare", {"kind": "training", "ids": ids})
    comparison = panel(page, "orrery-compare")
    expect(comparison.get_by_test_id("orrery-compare-table")).to_be_visible(timeout=LONG_MILLISECONDS)
    return comparison


def test_what_differs_is_told_and_the_rest_can_be_hidden(stocked: Stocked, page: Page) -> None:
    comparison = compare(page, stocked)
    table = comparison.get_by_test_id("orrery-compare-table")
    rounds = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Rounds", exact=True))
    expect(rounds.get_by_role("cell")).to_have_text(["20", "60", "20"])
    expect(table.get_by_role("rowheader", name="Algorithm", exact=True)).to_be_visible()
    expect(table.get_by_role("img", name="best").first).to_be_visible()
    comparison.get_by_label("Only what differs").check()
    expect(table.get_by_role("rowheader", name="Algorithm", exact=True)).to_have_count(0)
    expect(table.get_by_role("rowheader", name="Rounds", exact=True)).to_be_visible()
    page.set_viewport_size({"width": 1440, "height": 1900})
    expect(comparison.get_by_test_id("orrery-compare-plots").get_by_role("img").first).to_be_visible()
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"compare-{theme}")
        assert violations(page, '[data-testid="orrery-compare"]') == []


def test_runs_of_different_algorithms_tell_defaults_from_what_they_do_not_have(stocked: Stocked, page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 1300})
    open_lab(page, stocked[0])
    # as a user: two of the list
    execute(page, "orrery:open-list", {"kind": "training"})
    listed = panel(page, "orrery-list-training")
    for name in ("log", "elm"):
        listed.get_by_label(f"Select {name}").check()
    listed.get_by_test_id("orrery-bulk-compare").click()
    table = panel(page, "orrery-compare").get_by_test_id("orrery-compare-table")

    def cells(title: str) -> Locator:
        named = page.get_by_role("rowheader", name=title, exact=True)
        return table.get_by_role("row").filter(has=named).get_by_role("cell")

    expect(table).to_be_visible(timeout=LONG_MILLISECONDS)
    # the newest comes first in the list
    header = table.get_by_role("columnheader").all_inner_texts()
    assert [text.split()[0] for text in header] == ["log", "elm"]
    expect(cells("Learning rate")).to_have_text([re.compile("no such hyperparameter"), "0.05"])
    expect(cells("Max depth")).to_have_text([re.compile("no such hyperparameter"), re.compile(r"^\d+ default$")])
    expect(cells("Target")).to_have_text(["species", "species"])
    # what differs stands before what does not
    rows = table.locator("tbody").filter(has_text="Parameters").get_by_role("row")
    differing = [row.get_attribute("data-differs") for row in rows.all()[1:]]
    assert differing == sorted(differing, key=lambda found: found is None) and None in differing
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"compare-algorithms-{theme}")
        assert violations(page, '[data-testid="orrery-compare"]') == []
    panel(page, "orrery-compare").get_by_label("Only what differs").check()
    expect(table.get_by_role("rowheader", name="Target", exact=True)).to_have_count(0)


def test_the_curves_of_all_runs_are_drawn_over_each_other(stocked: Stocked, page: Page) -> None:
    comparison = compare(page, stocked)
    curves = comparison.get_by_test_id("orrery-compare-curves")
    chart = curves.get_by_role("img").first
    for name in ("oak", "ash", "elm"):
        expect(chart).to_have_accessible_name(re.compile(name))
    curves.get_by_label("Against").select_option("time")
    expect(chart).to_have_accessible_name(re.compile("seconds since the first report"))
    curves.get_by_label("Logarithmic").check()
    with page.expect_download() as table:
        curves.get_by_role("button", name=re.compile("as CSV")).first.click()
    header = Path(table.value.path()).read_text().splitlines()[0]
    assert header.startswith("seconds,")
    assert {"oak", "ash", "elm"} <= {word.split()[0] for word in header.split(",")[1:]}
    with page.expect_download() as image:
        curves.get_by_role("button", name=re.compile("as PNG")).first.click()
    assert Path(image.value.path()).read_bytes().startswith(b"\x89PNG")


def test_a_line_of_the_parallel_coordinates_is_reached_by_keyboard(stocked: Stocked, page: Page) -> None:
    comparison = compare(page, stocked)
    lines = comparison.get_by_test_id("orrery-compare-parallel").get_by_role("listitem")
    expect(lines).to_have_count(3)
    lines.nth(1).focus()
    expect(lines.nth(1)).to_have_accessible_name(re.compile("ash: .*Rounds 60"))
    expect(lines.nth(0)).to_have_attribute("data-faded", "true")


def test_a_comparison_comes_back_after_a_reload_with_what_was_left_in_it(stocked: Stocked, page: Page) -> None:
    lab, ids = stocked
    comparison = compare(page, stocked)

    def keeps_two(request: Request) -> bool:
        sent = request.post_data or ""
        return request.method == "PUT" and "orrery-compare" in sent and ids[0] in sent and ids[1] not in sent

    with page.expect_response(lambda answer: keeps_two(answer.request)):
        comparison.get_by_role("button", name="Take ash out of the comparison").click()
    page.goto(f"{lab.url}/lab?token={lab.token}")
    again = panel(page, "orrery-compare")
    expect(again.get_by_role("heading", name="Compare 2 runs")).to_be_visible(timeout=LONG_MILLISECONDS)
