"""YAML in JupyterLab: exported from a page, a list and a form; imported after a look at what it would do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import (
    CSV,
    LONG_MILLISECONDS,
    execute,
    look,
    open_lab,
    panel,
    running_lab,
    train,
    use_theme,
    violations,
)

from orrery.testing.jupyter import Jupyter
from orrery.testing.platform import create_dataset, wait_settled

PROJECT = """\
kind: experiment
name: garden
description: all that grows
---
kind: training
name: planned
spec:
  algorithm: xgboost
  datasets: {train: flowers}
  experiment: garden
  parameters:
    target: species
    rounds: many
"""
DROP = """([selector, name, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name, {type: "application/yaml"}));
    const target = document.querySelector(selector);
    for (const type of ["dragover", "drop"])
        target.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
}"""
Stocked = tuple[Jupyter, httpx.Client]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
        create_dataset(client, "flowers", CSV)
        train(client, "tulip", max_depth=3)
        assert wait_settled(client, "trainings", "tulip")["status"]["phase"] == "COMPLETE"
        yield lab, client


def test_a_file_dropped_on_a_list_is_looked_at_refused_mended_and_applied(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    execute(page, "orrery:open-list", {"kind": "training"})
    expect(page.get_by_test_id("orrery-row-tulip")).to_be_visible()
    page.evaluate(DROP, ['[data-testid="orrery-list-training"] .orr-List', "garden.yaml", PROJECT])
    importing = panel(page, "orrery-import")
    problem = importing.get_by_test_id("orrery-import-problem")
    expect(problem).to_contain_text("line 13: training planned", timeout=LONG_MILLISECONDS)
    expect(problem).to_contain_text("many")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"yaml-refused-{theme}")
        assert violations(page, "#orrery-import") == []
    importing.get_by_role("button", name="Go to line 13").click()
    # the line is selected: what is typed takes its place
    page.keyboard.type("    rounds: 9")
    importing.get_by_test_id("orrery-import-look").click()
    steps = importing.get_by_test_id("orrery-import-steps")
    expect(steps).to_contain_text("experiment garden would be created")
    expect(steps).to_contain_text("training planned would be created")
    assert client.get("experiments/garden").status_code == 404
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"yaml-plan-{theme}")
        assert violations(page, "#orrery-import") == []
    importing.get_by_test_id("orrery-import-apply").click()
    expect(steps.get_by_role("heading")).to_have_text("Done", timeout=LONG_MILLISECONDS)
    look(page, "yaml-applied-dark")
    steps.get_by_role("button", name="training planned").click()
    expect(panel(page, "orrery-detail-training").get_by_test_id("orrery-name")).to_have_text("planned")
    assert wait_settled(client, "trainings", "planned")["spec"]["parameters"]["rounds"] == 9


def test_a_change_is_shown_before_it_is_made(stocked: Stocked, page: Page, tmp_path: Path) -> None:
    lab, client = stocked
    client.post("experiments", json={"name": "herbs", "spec": {}, "description": "basil"}).raise_for_status()
    open_lab(page, lab)
    execute(page, "orrery:import-yaml")
    file = tmp_path / "herbs.yaml"
    file.write_text("kind: experiment\nname: herbs\ndescription: thyme\n")
    importing = panel(page, "orrery-import")
    importing.get_by_test_id("orrery-import-file").set_input_files(file)
    steps = importing.get_by_test_id("orrery-import-steps")
    expect(steps).to_contain_text('description: "basil" -> "thyme"')
    importing.get_by_role("button", name="Apply 1 change").click()
    expect(steps.get_by_role("heading")).to_have_text("Done")
    assert client.get("experiments/herbs").json()["description"] == "thyme"
    importing.get_by_test_id("orrery-import-look").click()
    expect(steps).to_contain_text("there is nothing to do")
    large = tmp_path / "large.yaml"
    large.write_text("#" * ((1 << 20) + 1))
    importing.get_by_test_id("orrery-import-file").set_input_files(large)
    expect(importing).to_contain_text("large.yaml has 1,048,577 bytes; at most 1,048,576 are read")


def test_a_page_a_row_and_a_form_are_exported(stocked: Stocked, page: Page) -> None:
    lab, _ = stocked
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_lab(page, lab)
    execute(page, "orrery:open", {"kind": "training", "ref": "tulip"})
    detail = panel(page, "orrery-detail-training")
    detail.get_by_test_id("orrery-yaml").click()
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"yaml-menu-{theme}")
    assert violations(page, '[data-testid="orrery-detail-training"] .orr-Actions') == []
    with page.expect_download() as downloading:
        detail.get_by_test_id("orrery-export-yaml").click()
    assert downloading.value.suggested_filename == "tulip.yaml"
    text = Path(downloading.value.path()).read_text()
    assert "name: tulip" in text
    assert "train: flowers@1" in text

    execute(page, "orrery:open-list", {"kind": "training"})
    page.get_by_test_id("orrery-row-tulip").click(button="right", position={"x": 300, "y": 10})
    menu = page.locator(".lm-Menu-content")
    expect(menu.get_by_text("Export as YAML")).to_be_visible()
    menu.get_by_text("Copy as YAML").click()
    expect(page.get_by_text("The YAML was copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == text

    prefill = {"name": "rose", "spec": {"algorithm": "orrery/xgboost", "parameters": {"rounds": 7}}}
    execute(page, "orrery:create", {"kind": "training", "prefill": prefill})
    form = panel(page, "orrery-form-training")
    form.get_by_test_id("orrery-yaml").click()
    look(page, "yaml-form-dark")
    with page.expect_download() as downloading:
        form.get_by_test_id("orrery-export-yaml").click()
    assert downloading.value.suggested_filename == "rose.yaml"
    assert "rounds: 7" in Path(downloading.value.path()).read_text()
