"""Trying an endpoint by hand: a form, a table, JSON; answers drawn, refusals at their field, the last calls kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect
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
    with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
        create_dataset(client, "flowers", CSV)
        train(client, "tulip")
        assert wait_settled(client, "trainings", "tulip")["status"]["phase"] == "COMPLETE"
        deploy(client, "garden", "tulip")
        yield lab, client


def open_playground(page: Page, stocked: Stocked) -> Locator:
    lab, client = stocked
    open_lab(page, lab)
    endpoint = client.get("endpoints/garden").json()
    execute(page, "orrery:open", {"kind": "endpoint", "ref": endpoint["id"], "tab": "playground"})
    detail = panel(page, "orrery-detail-endpoint")
    expect(detail.get_by_test_id("orrery-playground")).to_be_visible(timeout=LONG_MILLISECONDS)
    return detail


def test_a_form_of_the_models_columns_gets_an_answer_that_names_the_winner(stocked: Stocked, page: Page) -> None:
    detail = open_playground(page, stocked)
    detail.get_by_label("width").fill("1.5")
    detail.get_by_label("colour").select_option("green")
    detail.get_by_label("height").fill("")
    detail.get_by_test_id("orrery-try-submit").click()
    result = detail.get_by_test_id("orrery-try-result")
    expect(result.locator(".orr-Try-winner")).to_contain_text(re.compile("^(iris|rose) with \\d"))
    expect(result.locator("dt")).to_have_count(2)
    expect(detail.get_by_test_id("orrery-try-latency")).to_contain_text(re.compile("Answered in .* by .*tulip"))
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"playground-form-{theme}")
        assert violations(page, ".orr-Panel:not(.lm-mod-hidden)") == []


def test_what_is_wrong_stands_at_its_field_and_takes_the_focus(stocked: Stocked, page: Page) -> None:
    detail = open_playground(page, stocked)
    width = detail.get_by_label("width")
    width.fill("wide")
    width.press("Enter")
    expect(detail.get_by_text('"wide" is not a number')).to_be_visible()
    expect(width).to_be_focused()
    expect(width).to_have_attribute("aria-invalid", "true")


def test_the_servers_refusal_is_shown_in_its_words(stocked: Stocked, page: Page) -> None:
    detail = open_playground(page, stocked)
    detail.get_by_role("radio", name="JSON").check()
    detail.get_by_test_id("orrery-try-input").fill('{"instances": [{"wdth": 1}]}')
    detail.get_by_test_id("orrery-try-submit").click()
    expect(detail.get_by_test_id("orrery-try-error")).to_contain_text("did you mean 'width'?")
    expect(detail.get_by_test_id("orrery-try-error")).to_contain_text("400")


def test_a_table_of_many_rows_is_answered_as_one(stocked: Stocked, page: Page, tmp_path: Path) -> None:
    detail = open_playground(page, stocked)
    detail.get_by_role("radio", name="Table").check()
    table = tmp_path / "rows.csv"
    table.write_bytes(CSV)
    detail.get_by_test_id("orrery-try-table-file").set_input_files(table)
    expect(detail.get_by_text("400 rows; species is what the model predicts, so it is left out")).to_be_visible()
    detail.get_by_test_id("orrery-try-submit").click()
    result = detail.get_by_test_id("orrery-try-result")
    expect(result.get_by_role("region", name="Predictions").locator("tbody tr")).to_have_count(200)
    expect(result.locator("dt")).to_have_count(2)
    look(page, "playground-table")
    with page.expect_download() as download:
        result.get_by_role("button", name="Download CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 401
    assert lines[0].endswith("prediction,probability")


def test_the_last_calls_come_back_with_what_was_sent(stocked: Stocked, page: Page) -> None:
    detail = open_playground(page, stocked)
    width = detail.get_by_label("width")
    for value in ("1.5", "8.5"):
        width.fill(value)
        detail.get_by_test_id("orrery-try-submit").click()
        expect(detail.get_by_test_id("orrery-try-history").get_by_role("listitem")).to_have_count(1 + (value == "8.5"))
    detail.get_by_test_id("orrery-try-history").get_by_role("button").last.click()
    expect(width).to_have_value("1.5")


def test_programs_are_shown_how_to_call_it_without_a_token(stocked: Stocked, page: Page) -> None:
    lab, _ = stocked
    detail = open_playground(page, stocked)
    calls = detail.get_by_test_id("orrery-how-to-call")
    for name in ("curl command", "Python code", "JavaScript code"):
        text = calls.get_by_label(name, exact=True).inner_text()
        assert "width" in text
        assert lab.token not in text
    assert "ORRERY_TOKEN" in calls.get_by_label("curl command", exact=True).inner_text()


def test_a_model_is_tried_through_its_endpoint(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    model = client.get("models/tulip").json()
    execute(page, "orrery:open", {"kind": "model", "ref": model["id"], "tab": "try-model"})
    detail = panel(page, "orrery-detail-model")
    asked: list[dict[str, str]] = []
    page.on("request", lambda request: asked.append(request.headers) if request.url.endswith(":predict") else None)
    detail.get_by_test_id("orrery-try-submit").click(timeout=LONG_MILLISECONDS)
    expect(detail.get_by_test_id("orrery-try-result")).to_be_visible()
    deployment = client.get("endpoints/garden").json()["status"]["outputs"]["deployments"][0]["id"]
    assert [headers["x-orrery-deployment"] for headers in asked] == [deployment]


def test_an_endpoint_shows_its_calls_and_what_its_replicas_use(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    endpoint = client.get("endpoints/garden").json()
    execute(page, "orrery:open", {"kind": "endpoint", "ref": endpoint["id"], "tab": "service"})
    service = panel(page, "orrery-detail-endpoint").get_by_test_id("orrery-service")
    expect(service).to_contain_text("1 of 1 replicas ready", timeout=LONG_MILLISECONDS)
    url = endpoint["status"]["outputs"]["url"]
    for body in ({"instances": [{"width": 1, "height": 2, "colour": "red"}]}, {"instances": [{"wrong": 1}]}):
        client.post(f"{lab.orrery}{url}/v1/models/garden:predict", json=body)
    calls = service.get_by_test_id("orrery-call-charts")
    expect(calls.get_by_role("img")).to_have_count(2, timeout=LONG_MILLISECONDS)
    expect(calls.get_by_role("img").first).to_have_accessible_name(re.compile("Calls a minute, .* in the last hour"))
    replicas = service.get_by_test_id("orrery-replica-charts")
    expect(replicas.get_by_role("img").first).to_have_accessible_name(re.compile("Memory of the replicas.*iB"))
    page.set_viewport_size({"width": 1440, "height": 1400})
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"service-{theme}")
        assert violations(page, ".orr-Panel:not(.lm-mod-hidden)") == []
