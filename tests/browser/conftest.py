"""A real Chromium, found or fetched, and pages in it.

A test that fails leaves its last sight in `.screenshots/<test>.png`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, Playwright, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SCREENSHOTS = Path(__file__).parents[2] / ".screenshots"
DOWNLOAD_SECONDS = 600
WAIT_MILLISECONDS = 30_000
# a busy machine is slower than five seconds
expect.set_options(timeout=WAIT_MILLISECONDS)


class NotFound(Exception):
    """This way did not lead to a Chromium; says why."""


def named_by_environment(_: Playwright) -> str:
    named = os.environ.get("CHROMIUM")
    if not named:
        raise NotFound("CHROMIUM is not set")
    if not shutil.which(named):
        raise NotFound(f"CHROMIUM is {named!r}, which is no program")
    return named


def on_path(_: Playwright) -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise NotFound(f"none of {', '.join(NAMES)} is on PATH")
    return found


def of_playwright(playwright: Playwright) -> str:
    expected = playwright.chromium.executable_path
    if not Path(expected).exists():
        run_or_fail([sys.executable, "-m", "playwright", "install", "chromium"])
    if not Path(expected).exists():
        raise NotFound(f"playwright install chromium left nothing at {expected}")
    return expected


def of_debian(_: Playwright) -> str:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise NotFound("apt-get is not here, or this is not root; install Chromium and set CHROMIUM")
    run_or_fail(["apt-get", "update"])
    run_or_fail(["apt-get", "install", "--yes", "--no-install-recommends", "chromium"])
    return on_path(_)


def run_or_fail(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotFound(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0:
        raise NotFound(f"{' '.join(command)} ended with {done.returncode}: {done.stdout.strip()[-500:]}")


#: in the order in which they are tried; what costs nothing first
WAYS: tuple[Callable[[Playwright], str], ...] = (named_by_environment, on_path, of_playwright, of_debian)


def find_chromium(playwright: Playwright) -> str:
    """Raises: NotFound with the reason of every way that failed."""
    reasons: list[str] = []
    for way in WAYS:
        try:
            return way(playwright)
        except NotFound as error:
            reasons.append(str(error))
    raise NotFound("no Chromium: " + "; ".join(reasons))


# not for the session: while it is open, this thread has a running event loop, and other tests cannot have one
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=find_chromium(playwright), args=arguments)
    yield browser
    browser.close()


@pytest.fixture
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh page with its own cookies, 1,440 × 900."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(WAIT_MILLISECONDS)
    yield page
    report = request.node.stash.get(REPORT, None)
    if report is not None and report.failed:
        keep_last_sight(page, request.node.name)
    context.close()


REPORT = pytest.StashKey[pytest.TestReport]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[REPORT] = report
    return report


def keep_last_sight(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    target = SCREENSHOTS / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}.png"
    try:
        page.screenshot(path=target)
    except Error as error:
        sys.stderr.write(f"no screenshot of {name}: {error}\n")
