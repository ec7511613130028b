"""What a person sees of their notebook's use: memory, the warning, what can be loaded back, and its monitoring."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import LONG_MILLISECONDS, choose_theme, look, violations

from orrery.testing.hub import PASSWORD, jupyter_hub
from orrery.testing.waiting import wait_until

IDLE = {"server_minutes": 1.5, "warning_minutes": 1.0}


@pytest.mark.timeout(600)
def test_an_idle_notebook_is_warned_of_in_lab_and_kept_by_a_click(page: Page, tmp_path: Path) -> None:
    with jupyter_hub(tmp_path / "home", environment={"ORRERY_IDLE": json.dumps(IDLE)}) as hub:
        ann = hub.sign_up("ann")
        headers = {"Authorization": f"Bearer {ann.make_token()}"}
        with httpx.Client(base_url=f"{hub.orrery}/api/v1/", headers=headers, timeout=60, trust_env=False) as client:
            client.post("notebooks", json={"name": "planets", "spec": {}}).raise_for_status()

            def url() -> str | None:
                status = client.get("notebooks/planets").json()["status"]
                return status["outputs"]["url"] if status["phase"] == "ACTIVE_HEALTHY" else None

            path = wait_until(url, what="the notebook is up", seconds=90)
            page.goto(f"{hub.url}/hub/login")
            page.get_by_label("Username").fill("ann")
            page.get_by_label("Password", exact=True).fill(PASSWORD)
            page.get_by_role("button", name="Log in").click()
            page.goto(f"{hub.url}{path}")
            memory = page.get_by_test_id("orrery-memory")
            expect(memory).to_contain_text(" of 2.0 GiB", timeout=LONG_MILLISECONDS)

            warning = page.get_by_test_id("orrery-idle-warning")
            choose_theme(page, "light")
            expect(warning).to_be_visible(timeout=LONG_MILLISECONDS)
            expect(warning).to_contain_text("is about to be stopped")
            look(page, "idle-warning-light")
            assert violations(page, "#orrery-idle-banner") == []
            choose_theme(page, "dark")
            expect(warning).to_be_visible(timeout=LONG_MILLISECONDS)
            look(page, "idle-warning-dark")
            assert violations(page, "#orrery-idle-banner") == []
            page.get_by_test_id("orrery-idle-keep").click()
            expect(warning).to_have_count(0)
            # the promise outlives a reload
            page.reload()
            expect(memory).to_be_visible(timeout=LONG_MILLISECONDS)

            memory.get_by_role("button").click()
            monitoring = page.get_by_test_id("orrery-monitoring")
            expect(monitoring).to_contain_text("Kept until", timeout=LONG_MILLISECONDS)
            expect(monitoring.locator(".uplot")).to_have_count(3)
            look(page, "notebook-monitoring-dark")
            assert violations(page, '[data-testid="orrery-monitoring"]') == []
            choose_theme(page, "light")
            expect(monitoring).to_be_visible()
            look(page, "notebook-monitoring-light")
            assert client.get("notebooks/planets").json()["status"]["phase"] == "ACTIVE_HEALTHY"
