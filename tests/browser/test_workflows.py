"""A training workflow's page: what it is, its runs, the best of them; run again by hand."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import CSV, LONG_MILLISECONDS, execute, look, open_lab, panel, running_lab, use_theme, violations

from orrery.testing.jupyter import Jupyter
from orrery.testing.platform import create_dataset, wait_settled

Stocked = tuple[Jupyter, httpx.Client]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
        create_dataset(client, "flowers", CSV)
        template = {"algorithm": "xgboost", "parameters": {"target": "species", "rounds": 10}}
        client.post("templates", json={"name": "quick", "spec": template}).raise_for_status()
        spec = {"template": "quick", "dataset": "flowers", "metric": "accuracy"}
        client.post("workflows", json={"name": "daily", "spec": spec}).raise_for_status()
        assert wait_settled(client, "workflows", "daily")["status"]["phase"] == "ENABLED"
        yield lab, client


def test_a_workflow_shows_its_runs_and_the_best_and_is_run_by_hand(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    execute(page, "orrery:open", {"kind": "workflow", "ref": client.get("workflows/daily").json()["id"]})
    workflow = panel(page, "orrery-detail-workflow")
    expect(workflow).to_contain_text("is the first, and so the best", timeout=LONG_MILLISECONDS)
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"workflow-overview-{theme}")
    use_theme(page, "light")
    workflow.get_by_test_id("orrery-tab-runs").click()
    runs = workflow.get_by_test_id("orrery-workflow-runs").locator("tbody tr")
    expect(runs).to_have_count(1)
    expect(runs.first).to_contain_text("daily-1")
    expect(runs.first).to_contain_text("best")
    workflow.get_by_role("button", name="Run now").click()
    expect(runs).to_have_count(2, timeout=LONG_MILLISECONDS)
    expect(runs.first).to_contain_text("daily-2")
    expect(workflow.get_by_test_id("orrery-run-counts")).to_have_text("2 runs ended", timeout=LONG_MILLISECONDS)
    expect(runs.first).to_contain_text("Complete")
    expect(runs.first).not_to_contain_text("best")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"workflow-runs-{theme}")
        assert violations(page, '.orr-Panel[data-testid="orrery-detail-workflow"]') == []
    execute(page, "orrery:create", {"kind": "workflow"})
    form = panel(page, "orrery-form-workflow")
    expect(form).to_contain_text("Minimum gain")
    look(page, "workflow-form")
