"""A real Chromium on a real JupyterLab, for benches."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

from orrery.testing.jupyter import Jupyter, jupyter_lab
from orrery.testing.waiting import wait_until

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_MILLISECONDS = 120_000


def find_chromium() -> str | None:
    """`$CHROMIUM`, or one on PATH; None: Playwright's own."""
    named = [name for name in (os.environ.get("CHROMIUM"), *NAMES) if name]
    return next(filter(None, map(shutil.which, named)), None)


@contextmanager
def lab_page(home: Path, folder: Path) -> Iterator[tuple[Jupyter, Page, httpx.Client]]:
    """JupyterLab over `home`, a page of it that shows the side bar, and a client of the platform behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    with jupyter_lab(home, folder) as lab, sync_playwright() as playwright:
        with lab.client() as asking:
            wait_until(lambda: asking.get("/orrery/readyz").is_success, seconds=120, what="the platform")
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.goto(f"{lab.url}/lab?token={lab.token}&reset")
        page.locator('[data-id="orrery-side-bar"]').first.click()
        page.get_by_test_id("orrery-kind-training").wait_for()
        headers = {"Authorization": f"token {lab.token}"}
        base = f"{lab.url}/orrery/api/v1/"
        with httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False) as client:
            yield lab, page, client
        browser.close()
