"""A folder chosen in a form: its files by their paths, caches left out and said so, all of it cancelled at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import LONG_MILLISECONDS, execute, look, open_lab, panel, running_lab, use_theme, violations

from orrery.testing.jupyter import Jupyter

SCRIPT = """import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int, default=3)
parser.parse_args()
"""
Running = tuple[Jupyter, httpx.Client]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_lab(tmp_path_factory.mktemp("lab")) as both:
        yield both


def test_a_folder_of_code_becomes_an_algorithm(running: Running, page: Page, tmp_path: Path) -> None:
    lab, client = running
    code = tmp_path / "code"
    for path in ("train.py", "lib/tools.py", ".git/config", "lib/__pycache__/tools.pyc", ".ipynb_checkpoints/a.ipynb"):
        (code / path).parent.mkdir(parents=True, exist_ok=True)
        (code / path).write_text(SCRIPT if path == "train.py" else "x = 1\n")
    open_lab(page, lab)
    execute(page, "orrery:create", {"kind": "algorithm"})
    form = panel(page, "orrery-form-algorithm")
    form.get_by_test_id("orrery-folder-input").set_input_files(code)
    expect(form.get_by_test_id("orrery-file-train.py")).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(form.get_by_test_id("orrery-file-lib/tools.py")).to_be_visible()
    left = form.get_by_test_id("orrery-left-out")
    for name in (".git/", "lib/__pycache__/", ".ipynb_checkpoints/"):
        expect(left).to_contain_text(name)
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"folder-{theme}")
        assert violations(page, ".orr-Uploads") == []
    form.get_by_label("Name", exact=True).fill("from-folder")
    form.get_by_label("Entry point", exact=True).fill("train.py")
    form.get_by_test_id("orrery-submit").click()
    expect(panel(page, "orrery-detail-algorithm").get_by_test_id("orrery-name")).to_have_text("from-folder")
    made = client.get("algorithms/from-folder").json()["spec"]
    assert sorted(file["path"] for file in made["files"]) == ["lib/tools.py", "train.py"]
    assert made["entry_point"] == "train.py"


def test_what_is_being_sent_is_cancelled_at_once(running: Running, page: Page, tmp_path: Path) -> None:
    lab, _ = running
    data = tmp_path / "data"
    data.mkdir()
    for number in range(4):
        (data / f"{number}.csv").write_bytes(b"a,b\n" + b"1,2\n" * 50_000)
    open_lab(page, lab)
    execute(page, "orrery:create", {"kind": "dataset"})
    form = panel(page, "orrery-form-dataset")
    # a server that takes its time
    page.route("**/orrery/api/v1/uploads", lambda route: None)
    form.get_by_test_id("orrery-folder-input").set_input_files(data)
    expect(form.get_by_test_id("orrery-uploads-left")).to_contain_text("4 files to send")
    expect(form.get_by_test_id("orrery-submit")).to_be_disabled()
    look(page, "folder-sending")
    form.get_by_test_id("orrery-uploads-cancel").click()
    expect(form.locator('[data-testid^="orrery-upload-"]')).to_have_count(0)
    expect(form.get_by_test_id("orrery-submit")).to_be_enabled()
