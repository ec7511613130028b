"""Signing up and logging in as a person does, in a real browser."""

from __future__ import annotations

from itertools import count

from playwright.sync_api import Page, expect

from orrery.testing.hub import PASSWORD, Hub

NUMBERS = count(1)


def fill_sign_up(page: Page, name: str, password: str) -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("E-mail").fill(f"{name}@example.org")
    page.get_by_label("Full name (optional)").fill("Gerda Taro")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_label("Password again").fill(password)
    page.get_by_role("button", name="Create account").click()


def test_a_newcomer_signs_up_and_lands_in_jupyterlab(hub: Hub, page: Page) -> None:
    name = f"gerda{next(NUMBERS)}"
    page.goto(hub.url)
    page.get_by_role("link", name="Sign up").click()
    fill_sign_up(page, name, "short")
    alert = page.get_by_role("alert").filter(has_text="5 characters")
    expect(alert).to_have_text("The password has 5 characters; use at least 6.")
    expect(page.get_by_label("Username")).to_have_value(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/user/*/lab*", timeout=60_000)
    expect(page.locator("#jp-top-panel, #jp-menu-panel").first).to_be_visible()


def test_an_account_logs_out_and_in_and_opens_the_platforms_pages(hub: Hub, page: Page) -> None:
    name = f"robert{next(NUMBERS)}"
    hub.sign_up(name)
    page.goto(f"{hub.url}/hub/login?next=/hub/home")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("wrong one")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("Invalid username or password.")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text(f"Hello, {name.title()}.")).to_be_visible()
    page.get_by_role("link", name="REST API").click()
    expect(page).to_have_title("Orrery - Swagger UI")
    page.goto(f"{hub.url}/hub/home")
    page.get_by_role("button", name="Logout").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
