"""A notebook of one's own, run as a job by its toolbar's button, with what is not saved yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import nbformat
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

from orrery.client.result_notes import result_name
from orrery.testing.jupyter import Jupyter
from orrery.testing.platform import create_dataset, wait_settled
from orrery.testing.waiting import wait_until

RANKS = "import os\nprint('rank', os.environ['RANK'], 'of', os.environ['WORLD_SIZE'])"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[Jupyter, httpx.Client]]:
    work = tmp_path / "work"
    with running_lab(tmp_path) as running:
        cells = [
            nbformat.v4.new_code_cell(
                "#: Which year is looked at.\nyear: int = 2000", metadata={"tags": ["parameters"]}
            ),
            nbformat.v4.new_code_cell("import helper\nprint('half of it is', helper.half(year))"),
        ]
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, work / "Yearly report.ipynb")
        (work / "helper").mkdir()
        (work / "helper" / "__init__.py").write_text("from helper.numbers import half\n")
        (work / "helper" / "numbers.py").write_text("def half(number):\n    return number / 2\n")
        cells = ["begun = ['once']\nprint('done once')", "lock = __import__('threading').Lock()", "begun / 2", "begun"]
        failing = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
        )
        nbformat.write(failing, work / "failing.ipynb")
        ranks = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(RANKS)], metadata={"kernelspec": kernel})
        nbformat.write(ranks, work / "ranks.ipynb")
        go = work / "go"
        wait = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.05)"
        waiting = [nbformat.v4.new_code_cell(cell) for cell in (wait, "print('this', 'is', 'the', 'end')")]
        nbformat.write(nbformat.v4.new_notebook(cells=waiting, metadata={"kernelspec": kernel}), work / "waiting.ipynb")
        yield running


def test_a_notebook_runs_as_a_job_with_its_modules_and_what_is_not_saved(
    lab: tuple[Jupyter, httpx.Client], page: Page, tmp_path: Path
) -> None:
    jupyter, client = lab
    open_lab(page, jupyter)
    execute(page, "docmanager:open", {"path": "Yearly report.ipynb"})
    expect(page.locator("#jp-main-statusbar")).to_contain_text("Idle", timeout=LONG_MILLISECONDS)
    cell = page.locator(".jp-NotebookPanel:visible .jp-CodeCell").nth(1).locator(".cm-content")
    cell.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nprint('typed just now')")
    page.locator(".jp-NotebookPanel:visible .jp-NotebookPanel-toolbar").get_by_text("Run as job").click()

    form = panel(page, "orrery-form-training")
    expect(form.get_by_test_id("orrery-ref-spec_algorithm")).to_have_value("Yearly-report", timeout=LONG_MILLISECONDS)
    form.get_by_label("Year", exact=True).fill("2026")
    # nothing that a notebook is refused for
    expect(form.get_by_label("Nodes", exact=True)).to_be_visible()
    for label in ("Start with torchrun", "Processes per node"):
        expect(form.get_by_label(label, exact=True)).to_be_hidden()
    look(page, "run-notebook-form")
    form.get_by_test_id("orrery-submit").click()
    detail = panel(page, "orrery-detail-training")
    expect(detail.get_by_test_id("orrery-phase").first).to_have_attribute(
        "data-phase", "COMPLETE", timeout=LONG_MILLISECONDS
    )
    detail.get_by_test_id("orrery-tab-logs").click()
    expect(detail.get_by_role("log")).to_contain_text("half of it is 1013")
    expect(detail.get_by_role("log")).to_contain_text("typed just now")
    look(page, "run-notebook-complete")
    (training,) = client.get("trainings").json()["items"]
    assert training["spec"]["algorithm"] and training["status"]["outputs"]["model"] is None
    # its result lies beside it
    result = tmp_path / "work" / result_name("Yearly report.ipynb", training["name"])
    wait_until(lambda: result.exists() and "1013" in result.read_text(), what="the result notebook")

    # again from the file browser, once its list has come to rest: the same algorithm, its code replaced
    expect(page.locator(".jp-DirListing-item", has_text=result.name)).to_be_visible(timeout=LONG_MILLISECONDS)
    page.locator(".jp-DirListing-item", has_text="Yearly report.ipynb").click(button="right")
    page.locator(".lm-Menu-item", has_text="Run as job").click()
    wait_until(lambda: client.get("algorithms/Yearly-report").json()["etag"] != "1", what="the code's replacement")
    assert [item["name"] for item in client.get("algorithms?owner=" + training["owner"]).json()["items"]] == [
        "Yearly-report"
    ]


def test_a_notebook_runs_on_two_nodes_as_the_form_says(
    lab: tuple[Jupyter, httpx.Client], page: Page, tmp_path: Path
) -> None:
    jupyter, client = lab
    open_lab(page, jupyter)
    execute(page, "orrery:run-notebook", {"path": "ranks.ipynb"})
    form = panel(page, "orrery-form-training")
    nodes = form.get_by_label("Nodes", exact=True)
    nodes.fill("2")
    expect(form.get_by_test_id("orrery-cost")).to_contain_text("2 × cpu-small")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        nodes.scroll_into_view_if_needed()
        look(page, f"run-notebook-nodes-{theme}")
        assert violations(page, ".orr-Panel") == []
    form.get_by_test_id("orrery-submit").click()
    detail = panel(page, "orrery-detail-training")
    expect(detail.get_by_test_id("orrery-phase").first).to_have_attribute(
        "data-phase", "COMPLETE", timeout=LONG_MILLISECONDS
    )
    detail.get_by_test_id("orrery-tab-logs").click()
    detail.get_by_label("Whose lines").select_option("Rank 1")
    expect(detail.get_by_role("log")).to_contain_text("rank 1 of 2")
    expect(detail.get_by_role("log")).not_to_contain_text("rank 0")
    detail.get_by_test_id("orrery-tab-files").click()
    expect(detail).to_contain_text("result.node1.ipynb")
    look(page, "run-notebook-nodes-files")
    result = tmp_path / "work" / result_name("ranks.ipynb", client.get("trainings").json()["items"][0]["name"])
    wait_until(lambda: result.exists() and "rank 0 of 2" in result.read_text(), what="the result notebook")


def test_a_notebook_is_sent_for_later_and_its_result_comes_with_the_page_closed(
    lab: tuple[Jupyter, httpx.Client], page: Page, tmp_path: Path
) -> None:
    jupyter, client = lab
    open_lab(page, jupyter)
    execute(page, "orrery:run-notebook", {"path": "ranks.ipynb"})
    form = panel(page, "orrery-form-training")
    form.get_by_role("button", name="In 1 hour").click()
    expect(form.get_by_test_id("orrery-cost")).to_contain_text("joins the queue at")
    start = form.get_by_label("Start after", exact=True)
    expect(start).to_have_value(re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d"))
    for theme in ("light", "dark"):
        use_theme(page, theme)
        start.scroll_into_view_if_needed()
        look(page, f"run-notebook-later-{theme}")
        assert violations(page, ".orr-Panel") == []
    form.get_by_test_id("orrery-submit").click()
    detail = panel(page, "orrery-detail-training")
    expect(detail).to_contain_text("starts at", timeout=LONG_MILLISECONDS)
    look(page, "run-notebook-later")
    (later,) = client.get("trainings").json()["items"]
    client.post(f"trainings/{later['id']}/stop", json={}).raise_for_status()

    execute(page, "orrery:run-notebook", {"path": "waiting.ipynb"})
    form = panel(page, "orrery-form-training")
    name = form.get_by_label("Name", exact=True).input_value()
    form.get_by_test_id("orrery-submit").click()
    expect(panel(page, "orrery-detail-training")).to_be_visible(timeout=LONG_MILLISECONDS)
    page.close()
    (tmp_path / "work" / "go").touch()
    result = tmp_path / "work" / result_name("waiting.ipynb", name)
    wait_until(lambda: result.exists() and "this is the end" in result.read_text(), seconds=90, what="the result")


def test_a_failed_notebook_is_edited_and_resumed_at_the_failed_cell(
    lab: tuple[Jupyter, httpx.Client], page: Page
) -> None:
    jupyter, client = lab
    open_lab(page, jupyter)
    execute(page, "orrery:run-notebook", {"path": "failing.ipynb"})
    form = panel(page, "orrery-form-training")
    form.get_by_test_id("orrery-submit").click()
    detail = panel(page, "orrery-detail-training")
    badge = detail.get_by_test_id("orrery-phase").first
    expect(badge).to_have_attribute("data-phase", "FAIL_TRAIN", timeout=LONG_MILLISECONDS)
    detail.get_by_test_id("orrery-tab-notebook").click()
    card = detail.get_by_test_id("orrery-saved-kernel")
    expect(card).to_contain_text("Cut off in cell 3 of 4")
    expect(card.get_by_role("row").nth(1)).to_contain_text("_thread.lock")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"resume-notebook-{theme}")
        assert violations(page, '[data-testid="orrery-saved-kernel"]') == []

    detail.get_by_test_id("orrery-tab-overview").click()
    look(page, "resume-overview")
    detail.get_by_test_id("orrery-tab-logs").click()
    log = detail.get_by_role("log")
    expect(log).to_contain_text("done once")
    expect(detail.get_by_label("Which attempt")).to_have_count(0)
    detail.get_by_test_id("orrery-tab-notebook").click()
    card.get_by_test_id("orrery-edit-and-resume").click()
    expect(card).to_contain_text("Change cell 3, or those after it, in orrery/failing-", timeout=LONG_MILLISECONDS)
    cell = page.locator(".jp-NotebookPanel:visible .jp-CodeCell", has_text="begun / 2").locator(".cm-content")
    cell.click()
    page.keyboard.press("Control+A")
    page.keyboard.type("begun.append('edited')")
    look(page, "resume-notebook-edited")
    card.get_by_test_id("orrery-resume-edited").click()
    expect(badge).to_have_attribute("data-phase", "COMPLETE", timeout=LONG_MILLISECONDS)
    expect(detail.get_by_test_id("orrery-saved-kernel")).to_have_count(0)
    (training,) = client.get("trainings").json()["items"]
    notebook = client.get(f"trainings/{training['id']}/notebook").json()
    outputs = [str(cell.get("outputs")) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert "done once" in outputs[0] and "['once', 'edited']" in outputs[-1]
    assert client.get(f"trainings/{training['id']}/logs").text == ""
    # the new attempt's log begins anew, and the first one's is kept beside it
    detail.get_by_test_id("orrery-tab-logs").click()
    attempts = detail.get_by_label("Which attempt")
    expect(attempts).to_have_value("2")
    expect(log).to_contain_text("Nothing was logged.")
    attempts.select_option("1")
    expect(log).to_contain_text("done once")
    look(page, "log-of-an-attempt")


def test_a_runs_notebook_is_forked_and_run_again_with_its_data_and_values(
    lab: tuple[Jupyter, httpx.Client], page: Page
) -> None:
    jupyter, client = lab
    create_dataset(client, "flowers", CSV)
    made = train(client, "flowers-1", rounds=7)
    wait_settled(client, "trainings", str(made["id"]))
    open_lab(page, jupyter)
    execute(page, "orrery:open", {"kind": "training", "ref": made["id"], "tab": "notebook"})
    panel(page, "orrery-detail-training").get_by_test_id("orrery-fork-notebook").click()
    notebook = page.locator(".jp-NotebookPanel:visible")
    expect(notebook.get_by_role("heading", name="XGBoost")).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(notebook.locator(".jp-OutputArea-output")).to_have_count(0)
    look(page, "forked-notebook")
    notebook.locator(".jp-NotebookPanel-toolbar").get_by_text("Run as job").click()

    form = panel(page, "orrery-form-training")
    expect(form.get_by_test_id("orrery-ref-spec_datasets_train")).to_have_value("flowers@1", timeout=LONG_MILLISECONDS)
    expect(form.get_by_label("Rounds", exact=True)).to_have_value("7")
    look(page, "forked-notebook-form")
    form.get_by_test_id("orrery-submit").click()
    detail = panel(page, "orrery-detail-training")
    expect(detail.get_by_test_id("orrery-phase").first).to_have_attribute(
        "data-phase", "COMPLETE", timeout=LONG_MILLISECONDS
    )
    again = client.get("trainings").json()["items"][0]
    assert again["name"].startswith("flowers-1-fork") and again["status"]["outputs"]["model"]
    assert again["spec"]["parameters"]["rounds"] == 7
