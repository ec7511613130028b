"""The overview in a real JupyterLab: live, honest, reachable by keyboard, in both themes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, Request, expect
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

Stocked = tuple[Jupyter, httpx.Client]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    """A platform with a table, two trainings, and an endpoint that was called."""
    with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
        create_dataset(client, "flowers", CSV)
        train(client, "tulip")
        assert wait_settled(client, "trainings", "tulip")["status"]["phase"] == "COMPLETE"
        deploy(client, "garden", "tulip")
        url = client.get("endpoints/garden").json()["status"]["outputs"]["url"]
        row = {"width": 1.5, "height": 2, "colour": "red"}
        for body in ({"instances": [row]}, {"instances": [row]}, {"instances": [{"wrong": 1}]}):
            client.post(f"{lab.orrery}{url}/v1/models/garden:predict", json=body)
        yield lab, client


def test_the_overview_shows_what_there_is_and_follows_what_happens(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    execute(page, "orrery:open-overview")
    overview = panel(page, "orrery-overview")
    expect(overview.get_by_test_id("orrery-tile-dataset")).to_contain_text("1")
    expect(overview.get_by_test_id("orrery-tile-gpu")).to_contain_text("no GPU on this machine")
    endpoints = overview.get_by_test_id("orrery-overview-endpoints")
    expect(endpoints).to_contain_text("garden")
    expect(endpoints).to_contain_text("2 ok · 1 failed")
    expect(overview.get_by_test_id("orrery-overview-machine").get_by_role("meter")).to_have_count(3)
    expect(overview.get_by_test_id("orrery-overview-holders")).to_contain_text("garden")
    expect(overview.get_by_test_id("orrery-overview-activity").get_by_role("img")).to_have_accessible_name(
        "Training activity, last 7 days: 1 created, 1 completed, 0 failed"
    )
    train(client, "oak", rounds=10_000, early_stopping_rounds=0)
    running = overview.get_by_test_id("orrery-overview-running")
    expect(running).to_contain_text("oak", timeout=LONG_MILLISECONDS)
    expect(overview.get_by_test_id("orrery-tile-training")).to_contain_text("1 running")
    train(client, "ash", rounds=10_000, early_stopping_rounds=0)
    train(client, "elm", rounds=10_000, early_stopping_rounds=0)
    queue = overview.get_by_test_id("orrery-overview-queue")
    expect(queue).to_contain_text("held by", timeout=LONG_MILLISECONDS)
    expect(overview.locator(".u-over").first).to_be_visible(timeout=LONG_MILLISECONDS)
    page.set_viewport_size({"width": 1440, "height": 1500})
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"overview-{theme}")
        assert violations(page, "#orrery-overview") == []
    expect(running).to_contain_text("Nothing runs at the moment", timeout=LONG_MILLISECONDS)
    expect(queue).to_contain_text("Nothing waits", timeout=LONG_MILLISECONDS)


def test_a_number_leads_to_the_list_of_those(stocked: Stocked, page: Page) -> None:
    lab, _ = stocked
    open_lab(page, lab)
    execute(page, "orrery:open-overview")
    counts = panel(page, "orrery-overview").get_by_test_id("orrery-overview-counts")
    link = counts.get_by_role("button", name=re.compile("trainings?, completed"))
    link.focus()
    page.keyboard.press("Enter")
    trainings = panel(page, "orrery-list-training")
    expect(trainings.get_by_test_id("orrery-filter-state")).to_have_value("Completed")
    expect(trainings.get_by_test_id("orrery-row-tulip")).to_be_visible()


def keeps_the_overview(request: Request) -> bool:
    return request.method == "PUT" and "orrery-overview" in (request.post_data or "")


def test_the_overview_comes_back_after_a_reload(stocked: Stocked, page: Page) -> None:
    lab, _ = stocked
    open_lab(page, lab)
    with page.expect_request(
        lambda request: "orrery-overview" in (request.post_data or "") and request.method == "PUT"
    ):
        execute(page, "orrery:open-overview")
    page.goto(f"{lab.url}/lab?token={lab.token}")
    expect(panel(page, "orrery-overview").get_by_test_id("orrery-overview-tiles")).to_be_visible(
        timeout=LONG_MILLISECONDS
    )
