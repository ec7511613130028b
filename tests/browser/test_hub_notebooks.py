"""The list of notebooks on the hub's home page, as a person uses it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import choose_theme, look, panel, violations

from orrery.testing.hub import PASSWORD, Hub, jupyter_hub

NUMBERS = count(1)
START_MILLISECONDS = 90_000


def at_home(hub: Hub, page: Page) -> str:
    name = f"tina{next(NUMBERS)}"
    hub.sign_up(name)
    page.goto(f"{hub.url}/hub/login?next=/hub/home")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("No notebook yet.")).to_be_visible()
    return name


def test_a_notebook_is_made_opened_stopped_and_deleted_from_the_hubs_home_page(hub: Hub, page: Page) -> None:
    user = at_home(hub, page)
    page.get_by_role("button", name="New notebook").click()
    name = page.get_by_label("Name", exact=True)
    expect(name).to_be_focused()
    name.fill("no good")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#orrery-name-wrong")).to_contain_text("1 to 63 letters")
    name.fill("lab")
    page.get_by_label("Description").fill("for the tests")
    expect(page.get_by_label("Image").locator("option")).to_contain_text(["local"])
    page.get_by_label("Instance type").select_option("cpu-small")
    look(page, "hub-notebooks-form")
    page.get_by_role("button", name="Create").click()

    row = page.get_by_role("row", name="lab")
    expect(row).to_contain_text("Active healthy", timeout=START_MILLISECONDS)
    look(page, "hub-notebooks")
    with page.context.expect_page() as opening:
        row.get_by_role("link", name="Open lab in a new tab").click()
    opened = opening.value
    opened.wait_for_url(f"**/user/{user}/lab/lab*", timeout=START_MILLISECONDS)
    expect(opened.locator("#jp-top-panel, #jp-menu-panel").first).to_be_visible(timeout=START_MILLISECONDS)
    opened.close()

    asked: list[str] = []

    def agree(dialog: object) -> None:
        asked.append(dialog.message)  # type: ignore[attr-defined]
        dialog.accept()  # type: ignore[attr-defined]

    page.on("dialog", agree)
    row.get_by_role("button", name="Stop").click()
    expect(row).to_contain_text("Stopped", timeout=START_MILLISECONDS)
    assert "cannot be cancelled" in asked[-1]
    row.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No notebook yet.")).to_be_visible()
    assert "data volume" in asked[-1]


def test_a_notebook_that_has_to_be_restarted_says_so_left_of_its_name(
    tmp_path_factory: pytest.TempPathFactory, page: Page
) -> None:
    # its administrator tells everybody on it
    with jupyter_hub(tmp_path_factory.mktemp("upgrade") / "home") as hub:
        _see_an_upgrade(hub, page)


def _see_an_upgrade(hub: Hub, page: Page) -> None:
    user = at_home(hub, page)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="New notebook").click()
    page.get_by_label("Name", exact=True).fill("lab")
    page.get_by_role("button", name="Create").click()
    row = page.get_by_role("row", name="lab")
    expect(row).to_contain_text("Active healthy", timeout=START_MILLISECONDS)
    headers = {"Authorization": f"Bearer {hub.sign_up('boss').make_token()}"}
    body = {"message": "Python 3.13", "expires_at": (datetime.now(UTC) + timedelta(days=14)).isoformat()}
    httpx.put(f"{hub.orrery}/api/v1/notebook-upgrade", json=body, headers=headers, trust_env=False).raise_for_status()
    restart = row.get_by_role("button", name="Restart lab. Python 3.13: restart it by")
    expect(restart).to_be_visible(timeout=START_MILLISECONDS)
    look(page, "hub-notebook-upgrade")
    lab = page.context.new_page()
    lab.goto(f"{hub.url}/user/{user}/lab/lab?orrery=notebooks")
    expect(lab.locator("#jp-main-dock-panel")).to_be_visible(timeout=START_MILLISECONDS)
    grid = panel(lab, "orrery-list-notebook")
    expect(grid.get_by_test_id("orrery-notice-lab")).to_be_visible(timeout=START_MILLISECONDS)
    for theme in ("light", "dark"):
        choose_theme(lab, theme)
        look(lab, f"notebook-upgrade-list-{theme}")
    assert violations(lab, '.orr-Panel[data-testid="orrery-list-notebook"]') == []
    grid.get_by_test_id("orrery-row-lab").get_by_role("button", name="lab", exact=True).click()
    detail = panel(lab, "orrery-detail-notebook")
    expect(detail.get_by_test_id("orrery-notice")).to_contain_text("Python 3.13: restart it by")
    for theme in ("dark", "light"):
        choose_theme(lab, theme)
        look(lab, f"notebook-upgrade-page-{theme}")
    lab.close()
    see_what_waits(hub, page, f"{user}/lab")
    restart.click()
    expect(row).to_contain_text("Reboot in progress")
    expect(row).to_contain_text("Active healthy", timeout=START_MILLISECONDS)
    expect(restart).to_have_count(0)


def see_what_waits(hub: Hub, page: Page, notebook: str) -> None:
    """As the administrator, on the same home page."""
    browser = page.context.browser
    assert browser is not None
    with browser.new_context() as theirs:
        home = theirs.new_page()
        home.goto(f"{hub.url}/hub/login?next=/hub/home")
        home.get_by_label("Username").fill("boss")
        home.get_by_label("Password").fill(PASSWORD)
        home.get_by_role("button", name="Log in").click()
        row = home.get_by_role("row", name=notebook)
        expect(row).to_contain_text("its owner has not restarted it")
        expect(home.get_by_role("heading", name="Notebooks to be restarted")).to_be_visible()
        look(home, "hub-upgrade-administrator")
