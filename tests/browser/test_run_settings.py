"""What a form says of how long a run may take and of what a search already knows; runs that are begun again."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import CSV, LONG_MILLISECONDS, execute, look, open_lab, panel, running_lab, train, use_theme

from orrery.testing.jupyter import Jupyter
from orrery.testing.platform import create_dataset, put_object, wait_settled
from orrery.testing.waiting import wait_until

SLEEPER = b"""import time

time.sleep(600)
"""
Stocked = tuple[Jupyter, httpx.Client]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
        create_dataset(client, "flowers", CSV)
        train(client, "tulip", max_depth=3)
        code = put_object(client, SLEEPER)
        files = [{"path": "sleeper.py", **{key: code[key] for key in ("oid", "size")}}]
        client.post("algorithms", json={"name": "sleeper", "spec": {"files": files}}).raise_for_status()
        wait_settled(client, "algorithms", "sleeper")
        yield lab, client


def wait_phase(client: httpx.Client, name: str, phase: str) -> None:
    wait_until(
        lambda: client.get(f"trainings/{name}").json()["status"]["phase"] == phase, seconds=90, what=f"{name} {phase}"
    )


def test_the_longest_time_has_a_unit_and_a_stopped_run_is_begun_again(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    me = client.get("auth/whoami").json()["name"]
    open_lab(page, lab)
    spec = {"algorithm": f"{me}/sleeper", "datasets": {"train": f"{me}/flowers"}}
    execute(page, "orrery:create", {"kind": "training", "prefill": {"name": "nap", "spec": spec}})
    form = panel(page, "orrery-form-training")
    time = form.get_by_label("Longest time", exact=True)
    unit = form.get_by_label("Longest time: unit")
    expect(form.get_by_text("1 second to 30 days")).to_be_visible()
    unit.select_option("days")
    time.fill("40")
    form.get_by_test_id("orrery-submit").click()
    expect(form.get_by_test_id("orrery-problems")).to_contain_text("Longest time")
    unit.select_option("minutes")
    time.fill("1.5")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        time.scroll_into_view_if_needed()
        look(page, f"longest-time-{theme}")
    form.get_by_test_id("orrery-submit").click()
    detail = panel(page, "orrery-detail-training")
    expect(detail.get_by_test_id("orrery-name")).to_have_text("nap", timeout=LONG_MILLISECONDS)
    assert client.get("trainings/nap").json()["spec"]["max_seconds"] == 90
    wait_phase(client, "nap", "RUNNING")
    client.post("trainings/nap/stop").raise_for_status()
    wait_phase(client, "nap", "STOPPED")
    detail.get_by_role("button", name="Resume").click()
    # it kept nothing to go on from, and the page says so
    refused = page.get_by_role("dialog").filter(has_text="kept no checkpoint")
    refused.get_by_role("button", name="Close").click()
    detail.get_by_role("button", name="Start again").click()
    wait_phase(client, "nap", "RUNNING")
    client.post("trainings/nap/stop").raise_for_status()
    wait_phase(client, "nap", "STOPPED")


def test_a_search_is_told_what_it_already_knows_and_when_it_may_stop_a_trial(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    wait_settled(client, "trainings", "tulip")
    open_lab(page, lab)
    prefill = {"name": "search", "spec": {"algorithm": "orrery/xgboost"}}
    execute(page, "orrery:create", {"kind": "tuning", "prefill": prefill})
    form = panel(page, "orrery-form-tuning")
    form.get_by_label("Min trials", exact=True).fill("3")
    form.get_by_label("Start step", exact=True).fill("7")
    form.get_by_label("Metric 1", exact=True).select_option("accuracy")
    form.get_by_role("button", name="Add a metric").click()
    form.get_by_label("Metric 2", exact=True).select_option("log_loss")
    form.get_by_label("Goal of metric 2").select_option("minimize")
    form.get_by_text("Advanced", exact=True).click()
    form.get_by_role("button", name="Add to earlier trainings").click()
    form.get_by_test_id("orrery-ref-spec_earlier_trainings_0").fill("tulip")
    page.get_by_role("option").filter(has_text="tulip").first.click()
    look(page, "tuning-knows")
    form.get_by_test_id("orrery-yaml").click()
    form.get_by_test_id("orrery-copy-yaml").click()
    expect(page.get_by_text("The YAML was copied.")).to_be_visible()
    text = page.evaluate("navigator.clipboard.readText()")
    for line in ("min_trials: 3", "start_step: 7", "metric: log_loss", "goal: minimize", "/tulip"):
        assert line in text, text
