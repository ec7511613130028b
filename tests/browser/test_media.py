"""Pictures, sounds and series tried by hand, in JupyterLab and on a page: what is drawn of their answers."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.lab import LONG_MILLISECONDS, execute, look, open_lab, panel, use_theme, violations

import orrery
from orrery.testing import media
from orrery.testing.jupyter import Jupyter, jupyter_lab
from orrery.testing.platform import RunningPlatform


@dataclass(frozen=True)
class Place:
    jupyter: Jupyter
    #: by the endpoint's name
    ids: dict[str, str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = Path(tempfile.mkdtemp(prefix="orrery-"))
    folder = tmp_path_factory.mktemp("lab")
    environment = {"PYTHONPATH": str(media.install(folder / "plugin"))}
    savers = {"digits": media.save_digits, "tones": media.save_tones, "spots": media.save_spots}
    with (
        RunningPlatform(home, environment=environment) as platform,
        orrery.Client(platform.url, platform.announcement["token"]) as client,
    ):
        endpoints = {
            name: client.deploy(
                client.models.create(name, save(folder / name), progress=False).wait(progress=False),
                endpoint=name,
                progress=False,
            )
            for name, save in {**savers, "season": media.save_forecast}.items()
        }
        with jupyter_lab(home, folder) as jupyter:
            yield Place(jupyter, {name: endpoint.id for name, endpoint in endpoints.items()})
    shutil.rmtree(home, ignore_errors=True)


def open_playground(page: Page, place: Place, name: str) -> Locator:
    open_lab(page, place.jupyter)
    execute(page, "orrery:open", {"kind": "endpoint", "ref": place.ids[name], "tab": "playground"})
    detail = panel(page, "orrery-detail-endpoint")
    expect(detail.get_by_test_id("orrery-playground")).to_be_visible(timeout=LONG_MILLISECONDS)
    return detail


def test_a_picture_is_chosen_and_classified(place: Place, page: Page) -> None:
    detail = open_playground(page, place, "digits")
    expect(detail.get_by_role("img", name="example")).to_be_visible()
    expect(detail.get_by_role("radio", name="Table")).to_have_count(0)
    file = {"name": "seven.png", "mimeType": "image/png", "buffer": media.digit(7)}
    detail.get_by_label("image").set_input_files([file])  # pyright: ignore[reportArgumentType]
    expect(detail.get_by_role("img", name="seven.png")).to_be_visible()
    detail.get_by_test_id("orrery-try-submit").click()
    result = detail.get_by_test_id("orrery-try-result")
    expect(result.locator(".orr-Try-winner")).to_contain_text(re.compile(r"^7 with \d"))
    expect(result.locator("dt")).to_have_count(10)
    expect(result.get_by_role("img", name="What was asked about")).to_be_visible()
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"media-digits-{theme}")
        assert violations(page, ".orr-Try") == [], theme


def test_what_is_found_is_drawn_in_the_picture(place: Place, page: Page) -> None:
    detail = open_playground(page, place, "spots")
    detail.get_by_test_id("orrery-try-submit").click()
    result = detail.get_by_test_id("orrery-try-result")
    expect(result.locator("svg rect")).to_have_count(2)
    expect(result.get_by_role("img", name="A picture with 2 boxes drawn in it")).to_be_visible()
    expect(result.get_by_role("row").nth(2)).to_contain_text("10, 20 to 40, 50")
    drawn, shown = result.locator("svg rect").nth(1).bounding_box(), result.locator("img").bounding_box()
    assert drawn is not None and shown is not None
    assert (drawn["x"] - shown["x"]) / shown["width"] == pytest.approx(10 / 120, abs=0.02)
    assert (drawn["y"] - shown["y"]) / shown["height"] == pytest.approx(20 / 80, abs=0.03)
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"media-spots-{theme}")
        assert violations(page, ".orr-Try") == [], theme


def test_a_forecast_goes_on_from_the_series(place: Place, page: Page) -> None:
    detail = open_playground(page, place, "season")
    expect(detail.get_by_label("series")).to_have_value(re.compile(r"^\[20"))
    detail.get_by_test_id("orrery-try-submit").click()
    result = detail.get_by_test_id("orrery-try-result")
    expect(result.locator("canvas").first).to_be_visible()
    expect(result).to_contain_text("given")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"media-season-{theme}")
        assert violations(page, ".orr-Try") == [], theme
    detail.get_by_label("series").fill("1, two")
    detail.get_by_test_id("orrery-try-submit").click()
    expect(detail.get_by_text("write numbers, separated by commas")).to_be_visible()


def test_a_sound_is_heard_and_classified(place: Place, page: Page) -> None:
    detail = open_playground(page, place, "tones")
    file = {"name": "high.wav", "mimeType": "audio/wav", "buffer": media.tone(1760)}
    detail.get_by_label("audio", exact=False).first.set_input_files([file])  # pyright: ignore[reportArgumentType]
    expect(detail.locator("audio[aria-label='high.wav']")).to_be_visible()
    page.wait_for_function("document.querySelector('audio[aria-label=\"high.wav\"]').duration > 0.2")
    detail.get_by_test_id("orrery-try-submit").click()
    expect(detail.locator(".orr-Try-winner")).to_contain_text(re.compile(r"^high with \d"))
    look(page, "media-tones")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["digits", "spots", "season"])
def test_the_panel_draws_the_same_on_a_page(place: Place, page: Page, name: str, theme: str) -> None:
    base = f"{place.jupyter.url}/orrery-extension/dashboards/endpoint-playground"
    page.goto(f"{base}?token={place.jupyter.token}&theme={theme}&id={place.ids[name]}")
    widget = page.locator(".orrw")
    ask = widget.get_by_role("button", name="Ask")
    expect(ask).to_be_visible(timeout=LONG_MILLISECONDS)
    if name == "digits":
        file = {"name": "seven.png", "mimeType": "image/png", "buffer": media.digit(7)}
        with page.expect_file_chooser() as chooser:
            widget.get_by_role("button", name="image: choose").click()
        chooser.value.set_files([file])  # pyright: ignore[reportArgumentType]
        expect(widget.get_by_role("button", name="image: choose (1)")).to_be_visible()
    ask.click()
    expect(widget.get_by_text("answered in")).to_be_visible(timeout=LONG_MILLISECONDS)
    drawn = {
        "digits": widget.locator("b", has_text="7"),
        "spots": widget.get_by_role("img", name="A picture with 2 boxes in it"),
        "season": widget.get_by_role("img", name=re.compile("^Forecast: given ")),
    }
    expect(drawn[name]).to_be_visible()
    look(page, f"media-page-{name}-{theme}")
    assert violations(page, ".orrw") == []
