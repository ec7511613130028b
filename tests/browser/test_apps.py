"""Apps as a person meets them: publish a notebook, open it, see it wake, move its slider; look at TensorBoard.

Every stage leaves a sight in `.screenshots/`, to be looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from orrery.testing.apps import publish, slider_notebook
from orrery.testing.hub import PASSWORD, Hub
from orrery.testing.jupyter import Jupyter, jupyter_lab
from orrery.testing.platform import create_dataset, wait_settled

SIGHTS = Path(__file__).parents[2] / ".screenshots"
LONG_MILLISECONDS = 120_000
TABLE = b"width,height,kind\n" + b"".join(b"%d,%d,%s\n" % (i, i % 7, b"ab"[i % 2 :][:1]) for i in range(200))


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """`jupyter lab` alone, with a notebook in its folder."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "report.ipynb").write_bytes(slider_notebook())
    with jupyter_lab(tmp_path_factory.mktemp("h"), folder) as running:
        yield running


def look(page: Page, name: str) -> None:
    SIGHTS.mkdir(exist_ok=True)
    page.screenshot(path=SIGHTS / f"apps-{name}.png")


@contextmanager
def api(jupyter: Jupyter) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"token {jupyter.token}"}
    with httpx.Client(base_url=f"{jupyter.orrery}/api/v1/", headers=headers, timeout=60, trust_env=False) as client:
        yield client


def open_lab(page: Page, jupyter: Jupyter) -> None:
    page.goto(f"{jupyter.url}/lab?token={jupyter.token}")
    page.locator('[data-id="orrery-side-bar"]').first.click(timeout=LONG_MILLISECONDS)
    expect(page.get_by_test_id("orrery-side-bar")).to_contain_text("Signed in as")


def app_of(page: Page) -> FrameLocator:
    """The app's own page, in the frame of the platform's."""
    return page.frame_locator("iframe[data-pass]")


def use_slider(page: Page, rows: int = 0) -> None:
    """Move the slider by its keys; the kernel answers."""
    app = app_of(page)
    expect(app.get_by_role("heading", name="A small report")).to_be_visible(timeout=LONG_MILLISECONDS)
    handle = app.get_by_role("slider")
    expect(handle).to_be_visible(timeout=LONG_MILLISECONDS)
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(app.get_by_text(f"{rows} rows, 10 is twice 5")).to_be_visible()


def nothing_of_the_platform(page: Page) -> bool:
    """Whether what runs in the app has no origin: neither its cookies nor its answers are the platform's.

    Nor is there anything in the address.
    """
    frame = page.locator("iframe[data-pass]").element_handle().content_frame()
    assert frame is not None and "~" not in page.url
    return frame.evaluate(
        """async () => {
        try { if (document.cookie !== '') return false } catch { /* as it should be */ }
        const answer = await fetch(location.pathname.split('/apps/')[0] + '/api/v1/auth/whoami').catch(() => null);
        return self.origin === 'null' && (answer === null || !answer.ok);
    }"""
    )


def test_a_notebook_is_published_from_the_file_browser_and_opened(jupyter: Jupyter, page: Page) -> None:
    with api(jupyter) as client:
        create_dataset(client, "rows", TABLE)
    open_lab(page, jupyter)
    page.locator('[data-id="filebrowser"]').first.click()
    page.locator(".jp-DirListing-item", has_text="report.ipynb").click(button="right")
    page.get_by_role("menuitem", name="Publish as dashboard").click()
    form = page.locator('.orr-Panel[data-testid="orrery-form-dashboard"]:visible')
    expect(form.get_by_test_id("orrery-file-report.ipynb")).to_be_visible()
    expect(form.get_by_label("Name", exact=True)).to_have_value("report")
    # a dataset by the name that the notebook knows it by, chosen from those there are
    form.get_by_role("group", name="Datasets").get_by_role("button", name="Add").click()
    form.get_by_label("Name 1", exact=True).fill("train")
    box = form.get_by_test_id("orrery-ref-spec_datasets_0")
    box.click()
    page.get_by_role("option").filter(has_text="rows").first.click()
    look(page, "00-form")
    form.get_by_test_id("orrery-submit").click()
    detail = page.locator('.orr-Panel[data-testid="orrery-detail-dashboard"]:visible')
    expect(detail.get_by_test_id("orrery-phase").first).to_have_attribute("data-phase", "ASLEEP")
    look(page, "01-asleep")
    with page.expect_popup() as opened:
        detail.get_by_test_id("orrery-open-app").click()
    dashboard = opened.value
    dashboard.set_default_timeout(30_000)
    expect(dashboard.get_by_role("heading", name="report is waking up…")).to_be_visible()
    expect(dashboard.get_by_role("link", name="Back to JupyterLab")).to_have_attribute("href", "/lab")
    look(dashboard, "02-waking")
    use_slider(dashboard, rows=200)
    look(dashboard, "03-awake")
    assert nothing_of_the_platform(dashboard)
    expect(detail.get_by_test_id("orrery-phase").first).to_have_attribute("data-phase", "ACTIVE")
    look(page, "04-active")
    page.locator(".lm-MenuBar-item").filter(has_text="Settings").click()
    page.locator(".lm-Menu-item").filter(has_text=re.compile("^Theme")).first.hover()
    page.locator(".lm-Menu-item").filter(has_text=re.compile("^JupyterLab Dark$")).first.click()
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", "JupyterLab Dark")
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)
    look(page, "04-active-dark")
    detail.get_by_test_id("orrery-action-sleep").click()
    page.get_by_role("dialog").get_by_role("button", name="Put to sleep").click()
    expect(detail.get_by_test_id("orrery-phase").first).to_have_attribute("data-phase", "ASLEEP")
    # its address leads to the door, and from there to the page again
    dashboard.emulate_media(color_scheme="dark")
    dashboard.reload()
    expect(dashboard.get_by_role("heading", name="report is waking up…")).to_be_visible()
    expect(dashboard.get_by_text("This usually takes about")).to_be_visible()
    look(dashboard, "05-waking-dark")
    use_slider(dashboard, rows=200)


def test_what_cannot_start_says_why(jupyter: Jupyter, page: Page) -> None:
    with api(jupyter) as client:
        broken = publish(client, "broken", b'{"cells": [], "nbformat": "four", "metadata": {}}')
    page.goto(f"{jupyter.url}/lab?token={jupyter.token}")
    page.goto(f"{jupyter.orrery}/apps/{broken['id']}/")
    expect(page.get_by_role("heading", name="broken could not start")).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(page.get_by_text("Unsupported nbformat version four")).to_be_visible()
    look(page, "06-failed")
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", name="broken is waking up…")).to_be_visible()
    expect(page.get_by_role("heading", name="broken could not start")).to_be_visible(timeout=LONG_MILLISECONDS)


def test_tensorboard_shows_a_trainings_scalars(jupyter: Jupyter, page: Page) -> None:
    with api(jupyter) as client:
        create_dataset(client, "boxes", TABLE)
        spec = {"algorithm": "xgboost", "datasets": {"train": "boxes"}, "parameters": {"target": "kind", "rounds": 30}}
        training = client.post("trainings", json={"name": "boxes-1", "spec": spec}).json()
        assert wait_settled(client, "trainings", training["id"])["status"]["phase"] == "COMPLETE"
    open_lab(page, jupyter)
    page.get_by_test_id("orrery-recent-boxes-1").first.click()
    detail = page.locator('.orr-Panel[data-testid="orrery-detail-training"]:visible')
    with page.expect_popup() as opened:
        detail.get_by_test_id("orrery-open-app").click()
    board = opened.value
    board.set_default_timeout(30_000)
    expect(board).to_have_title(re.compile("boxes-1 · TensorBoard"), timeout=LONG_MILLISECONDS)
    shown = app_of(board)
    expect(shown.get_by_text("boxes-1", exact=True).first).to_be_visible()
    shown.get_by_role("combobox", name="Filter tags (regex)").fill("validation_log_loss")
    board.keyboard.press("Escape")
    card = shown.locator("scalar-card").filter(has_text="validation_log_loss").first
    expect(card).to_be_visible(timeout=LONG_MILLISECONDS)
    # below each chart a table, once its line is drawn
    expect(card.get_by_text("Smoothed", exact=True)).to_be_visible(timeout=LONG_MILLISECONDS)
    look(board, "07-tensorboard")
    assert nothing_of_the_platform(board)


def log_in(page: Page, hub: Hub, name: str, target: str) -> None:
    page.goto(f"{hub.url}/hub/login?next={target}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def hub_publish(hub: Hub, name: str, **envelope: Any) -> Any:
    token = hub.log_in(name).make_token()
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{hub.orrery}/api/v1/", headers=headers, timeout=60) as client:
        return publish(client, "shared", **envelope)


def test_behind_a_hub_others_visit_what_is_public_through_its_log_in(hub: Hub, chromium: Browser) -> None:
    hub.sign_up("ada")
    hub.sign_up("bob")
    dashboard = hub_publish(hub, "ada", visibility="public")
    with closing(chromium.new_context(viewport={"width": 1280, "height": 800})) as context:
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.goto(f"{hub.orrery}/apps/{dashboard['id']}/")
        page.get_by_label("Username").fill("bob")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="shared is waking up…")).to_be_visible(timeout=LONG_MILLISECONDS)
        expect(page.get_by_role("link", name="Back to the hub")).to_have_attribute("href", "/hub/home")
        use_slider(page)
        assert page.url == f"{hub.orrery}/apps/{dashboard['id']}/"
        assert nothing_of_the_platform(page)
        look(page, "08-hub")
    with closing(chromium.new_context(viewport={"width": 1280, "height": 800})) as context:
        page = context.new_page()
        page.set_default_timeout(30_000)
        # its owner, through their own notebook server
        log_in(page, hub, "ada", "/hub/spawn/ada")
        page.wait_for_url(re.compile(r"/lab(\?|$)"), timeout=LONG_MILLISECONDS)
        page.goto(f"{hub.url}/user/ada/orrery/apps/{dashboard['id']}/")
        use_slider(page)
        assert page.url == f"{hub.url}/user/ada/orrery/apps/{dashboard['id']}/"
        assert nothing_of_the_platform(page)


def test_a_stranger_is_told_that_there_is_nothing(hub: Hub, page: Page) -> None:
    hub.sign_up("cora")
    hub.sign_up("dan")
    dashboard = hub_publish(hub, "cora")
    log_in(page, hub, "dan", "/hub/home")
    expect(page.get_by_text("Hello, Dan.")).to_be_visible()
    page.goto(f"{hub.orrery}/apps/{dashboard['id']}/")
    expect(page.get_by_role("heading", name="There is nothing here for you")).to_be_visible()
    look(page, "09-stranger")
