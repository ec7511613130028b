"""The page Start-up and the launcher, as a person of a notebook sees them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import execute, look, open_lab, panel, use_theme, violations

from orrery.testing.jupyter import Jupyter, jupyter_lab

SCRIPTS = {
    "10-packages.sh": "#!/bin/sh\necho Reading package lists...\necho Done\n",
    "20-big.sh": "#!/bin/sh\nseq 20000\n",
    "30-broken.sh": "#!/bin/sh\necho cannot reach the mirror >&2\nexit 7\n",
    "40-service.sh": "#!/bin/sh\nsleep 1000 &\n",
}


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Jupyter, Path]]:
    """A server over a data volume whose scripts have run."""
    home, data = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("data")
    scripts = data / "cont-init.d"
    scripts.mkdir()
    for name, text in SCRIPTS.items():
        (scripts / name).write_text(text)
        (scripts / name).chmod(0o755)
    (scripts / "50-forgotten.sh").write_text("#!/bin/sh\n")
    start = [sys.executable, "-P", "-m", "orrery_hub.start"]
    environment = {"ORRERY_DATA_DIR": str(data)}
    for _ in range(2):
        subprocess.run(start, env={**os.environ, **environment}, check=True)
    with jupyter_lab(home, data, environment=environment) as server:
        yield server, data


def test_a_failed_script_is_seen_and_looked_into(notebook: tuple[Jupyter, Path], page: Page) -> None:
    jupyter, data = notebook
    open_lab(page, jupyter)
    page.get_by_role("button", name="1 start-up script failed").click()
    shown = panel(page, "orrery-start")
    broken = shown.get_by_test_id("orrery-start-script-30-broken.sh")
    expect(broken).to_contain_text("Failed, exit code 7")
    broken.get_by_role("button", name="Output").click()
    expect(shown.get_by_label("Output of 30-broken.sh")).to_contain_text("cannot reach the mirror")
    big = shown.get_by_test_id("orrery-start-script-20-big.sh")
    big.get_by_role("button", name="Output").click()
    output = shown.get_by_label("Output of 20-big.sh")
    expect(output).to_contain_text("20000")
    big.get_by_role("button", name="Show all").click()
    expect(output).to_contain_text("1\n2\n3\n")
    expect(shown.get_by_test_id("orrery-start-script-40-service.sh")).to_contain_text("what it started goes on")
    expect(shown.get_by_test_id("orrery-start-earlier")).to_contain_text("failed: 30-broken.sh (7)")
    big.get_by_role("button", name="Hide output").click()
    forgotten = shown.get_by_test_id("orrery-start-script-50-forgotten.sh")
    expect(forgotten).to_contain_text("It is not executable")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"start-page-{theme}")
        assert violations(page, "[data-testid=orrery-start]") == []
    forgotten.get_by_role("button", name="Make executable").click()
    expect(forgotten.get_by_role("button", name="Make executable")).to_have_count(0)
    assert os.access(data / "cont-init.d" / "50-forgotten.sh", os.X_OK)


def test_without_scripts_the_page_explains_and_makes_the_first(
    tmp_path_factory: pytest.TempPathFactory, page: Page
) -> None:
    home, data = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("data")
    with jupyter_lab(home, data, environment={"ORRERY_DATA_DIR": str(data)}) as jupyter:
        open_lab(page, jupyter)
        execute(page, "orrery:open-start")
        shown = panel(page, "orrery-start")
        expect(shown.get_by_role("heading", name="Nothing runs at the start")).to_be_visible()
        for theme in ("light", "dark"):
            use_theme(page, theme)
            look(page, f"start-page-empty-{theme}")
            assert violations(page, "[data-testid=orrery-start]") == []
        shown.get_by_role("button", name="New script").click()
        expect(page.locator(".jp-FileEditor:visible")).to_contain_text("Runs at every start of this notebook")
        script = data / "cont-init.d" / "10-setup.sh"
        assert os.access(script, os.X_OK)
        assert script.read_text().startswith("#!/bin/bash\n")


def test_a_new_environment_is_a_card_of_the_launcher_without_a_reload(
    notebook: tuple[Jupyter, Path], page: Page
) -> None:
    jupyter, data = notebook
    open_lab(page, jupyter)
    cards = page.locator(".jp-LauncherCard:visible")
    expect(cards.first).to_be_visible()
    environment = data / "custom-conda-envs" / "fresh"
    expect(cards.filter(has_text="(fresh)")).to_have_count(0)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    expect(cards.filter(has_text="(fresh)").first).to_be_visible()
    look(page, "launcher-environment")
