"""In JupyterLab: a secret is kept and used, a training of two nodes started by its form, each rank's log read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import LONG_MILLISECONDS, execute, look, open_lab, panel, running_lab, use_theme, violations

from orrery.testing.jupyter import Jupyter
from orrery.testing.platform import put_object, wait_settled

CODE = b"""
import os
print(f"node {os.environ['NODE_RANK']} of {os.environ['ORRERY_NODES']}")
for number in range(3):
    print("line", number, "with", os.environ["TOKEN"])
"""

CHATTY = b"""
import os
for number in range(700):
    print("step", number)
print("rank", os.environ["NODE_RANK"], "has a needle")
"""

#: each rank holds and computes until a file is there, rank 1 more than rank 0
HOLDING = b"""
import os, pathlib, time
rank = int(os.environ["RANK"])
block = bytearray((20 + 60 * rank) << 20)
block[::4096] = b"x" * len(block[::4096])
while not pathlib.Path(os.environ["GO"]).exists():
    sum(range(200_000 * rank))
    time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Jupyter, httpx.Client]]:
    with running_lab(tmp_path_factory.mktemp("distributed")) as (lab, client):
        for name, code in (("two-nodes", CODE), ("chatty", CHATTY), ("holding", HOLDING)):
            stored = put_object(client, code)
            file = {"path": "train.py", "oid": stored["oid"], "size": stored["size"]}
            client.post("algorithms", json={"name": name, "spec": {"files": [file]}}).raise_for_status()
        yield lab, client


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_training_of_two_nodes_with_a_secret(page: Page, lab: tuple[Jupyter, httpx.Client], theme: str) -> None:
    server, client = lab
    open_lab(page, server)
    use_theme(page, theme)

    execute(page, "orrery:create", {"kind": "algorithm"})
    form = panel(page, "orrery-form-algorithm")
    form.get_by_label("Name", exact=True).fill(f"own-{theme}")
    form.get_by_test_id("orrery-file-input").set_input_files(
        {"name": "train.py", "mimeType": "text/x-python", "buffer": CODE}
    )
    expect(form.get_by_test_id("orrery-file-train.py")).to_be_visible()
    expect(form.get_by_label("Code from", exact=True)).to_contain_text("Uploaded files")
    assert violations(page, ".orr-Panel") == []
    form.get_by_test_id("orrery-submit").click()
    shown = panel(page, "orrery-detail-algorithm")
    expect(shown.get_by_test_id("orrery-phase")).to_have_attribute("data-phase", "ACTIVE", timeout=LONG_MILLISECONDS)

    execute(page, "orrery:create", {"kind": "secret"})
    form = panel(page, "orrery-form-secret")
    form.get_by_label("Name", exact=True).fill(f"token-{theme}")
    value = form.get_by_label("Value", exact=True)
    expect(value).to_have_attribute("type", "password")
    value.fill("nobody reads this")
    look(page, f"secret-form-{theme}")
    assert violations(page, ".orr-Panel") == []
    form.get_by_test_id("orrery-submit").click()
    shown = panel(page, "orrery-detail-secret")
    expect(shown.get_by_test_id("orrery-phase")).to_have_attribute("data-phase", "ACTIVE", timeout=LONG_MILLISECONDS)
    look(page, f"secret-{theme}")
    assert "nobody reads this" not in shown.inner_text()

    prefill = {"name": f"pair-{theme}", "spec": {"algorithm": "two-nodes", "secrets": {"TOKEN": f"token-{theme}"}}}
    execute(page, "orrery:create", {"kind": "training", "prefill": prefill})
    form = panel(page, "orrery-form-training")
    form.get_by_label("Nodes", exact=True).fill("2")
    form.get_by_label("Nodes", exact=True).scroll_into_view_if_needed()
    expect(form.get_by_test_id("orrery-cost")).to_contain_text("2 × cpu-small")
    look(page, f"distributed-form-{theme}")
    assert violations(page, ".orr-Panel") == []
    form.get_by_test_id("orrery-submit").click()
    detail = panel(page, "orrery-detail-training")
    expect(detail).to_be_visible(timeout=LONG_MILLISECONDS)
    training = wait_settled(client, "trainings", f"pair-{theme}")
    assert training["status"]["phase"] == "COMPLETE", training["status"]["message"]

    detail.get_by_test_id("orrery-tab-logs").click()
    log = detail.get_by_role("log")
    expect(log).to_contain_text("[rank 1] line 2 with ***", timeout=LONG_MILLISECONDS)
    look(page, f"ranks-all-{theme}")
    detail.get_by_label("Whose lines").select_option("Rank 1")
    expect(log).to_contain_text("node 1 of 2")
    expect(log).not_to_contain_text("node 0 of 2")
    expect(log).not_to_contain_text("[rank 1]")
    look(page, f"ranks-one-{theme}")
    assert violations(page, ".orr-Panel") == []


def test_a_whole_log_is_searched_page_by_page_and_each_hit_leads_to_its_place(
    page: Page, lab: tuple[Jupyter, httpx.Client]
) -> None:
    server, client = lab
    body = {"name": "chatty-1", "spec": {"algorithm": "chatty", "nodes": 2}}
    client.post("trainings", json=body).raise_for_status()
    assert wait_settled(client, "trainings", "chatty-1")["status"]["phase"] == "COMPLETE"
    open_lab(page, server)
    execute(page, "orrery:open", {"kind": "training", "ref": "chatty-1", "tab": "logs"})
    detail = panel(page, "orrery-detail-training")
    log, hits = detail.get_by_role("log"), detail.get_by_test_id("orrery-log-hits")
    expect(log).to_contain_text("needle", timeout=LONG_MILLISECONDS)
    search = detail.get_by_label("Search in the log")
    search.fill("nowhere")
    expect(log).to_contain_text('None of the lines here holds "nowhere"')
    search.press("Enter")
    expect(hits).to_contain_text('No line of the whole log holds "nowhere"')
    look(page, "log-search-nothing")
    search.fill("step")
    search.press("Enter")
    expect(hits).to_contain_text('1,000 lines of the whole log hold "step", page 1')
    hits.get_by_role("button", name="Next page").click()
    expect(hits).to_contain_text('400 lines of the whole log hold "step", page 2, the last')
    search.fill("needle")
    detail.get_by_test_id("orrery-log-search").click()
    for rank in ("0", "1"):
        expect(hits.get_by_role("listitem").filter(has_text=f"rank {rank}")).to_have_count(1)
    log.evaluate("box => box.scrollTo(0, 0)")
    last = hits.get_by_role("listitem").last.get_by_role("button")
    number = last.inner_text().split()[1]
    hits.get_by_role("button", name="Line").first.focus()
    page.keyboard.press("ArrowDown")
    expect(last).to_be_focused()
    page.keyboard.press("Enter")
    expect(log.locator("[data-shown]")).to_contain_text(number)
    expect(log.locator("[data-shown]")).to_contain_text("has a needle")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"log-search-{theme}")
        assert violations(page, ".orr-Panel") == []
    hits.get_by_test_id("orrery-log-hits-close").click()
    expect(hits).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_each_rank_uses_is_drawn_while_it_runs_and_afterwards(
    page: Page, lab: tuple[Jupyter, httpx.Client], theme: str, tmp_path: Path
) -> None:
    server, client = lab
    open_lab(page, server)
    use_theme(page, theme)
    name, go = f"holding-{theme}", tmp_path / "go"
    spec = {"algorithm": "holding", "nodes": 2, "environment": {"GO": str(go)}, "register_model": False}
    client.post("trainings", json={"name": name, "spec": spec}).raise_for_status()

    execute(page, "orrery:open", {"kind": "training", "ref": name})
    detail = panel(page, "orrery-detail-training")
    detail.get_by_test_id("orrery-tab-usage").click()
    charts = detail.get_by_test_id("orrery-usage-charts")
    # nothing happens to the training meanwhile: the tab looks again by itself
    memory = charts.get_by_role("img", name="Memory over time")
    expect(memory).to_have_accessible_name(
        re.compile(r"rank 0: last [2-9]\d.* MiB; rank 1: last [89]\d.* MiB"), timeout=LONG_MILLISECONDS
    )
    expect(charts.get_by_role("img", name="Cores in use over time")).to_have_accessible_name(re.compile("rank 1: last"))
    # no GPU here, so nothing is said of one
    expect(charts.get_by_role("img")).to_have_count(2)
    summary = detail.get_by_test_id("orrery-usage-summary")
    expect(summary.get_by_role("row")).to_have_count(4)
    many = re.compile(r", ([6-9]|\d\d+) points")
    expect(memory).to_have_accessible_name(many, timeout=LONG_MILLISECONDS)
    look(page, f"usage-ranks-{theme}")
    go.touch()
    assert wait_settled(client, "trainings", name)["status"]["phase"] == "COMPLETE"

    expect(detail.get_by_test_id("orrery-phase")).to_have_attribute("data-phase", "COMPLETE")
    expect(memory).to_have_accessible_name(many)
    folded = detail.get_by_text("Show as a table")
    folded.focus()
    page.keyboard.press("Enter")
    table = detail.get_by_role("region", name="What it used over time, as a table")
    expect(table.get_by_role("columnheader")).to_have_text(
        ["Time", "Cores in use, rank 0", "Cores in use, rank 1", "Memory, rank 0", "Memory, rank 1"]
    )
    assert table.get_by_role("row").count() > 6
    with page.expect_download() as saved:
        detail.get_by_role("button", name="Save what it used as CSV").click()
    assert saved.value.suggested_filename == f"{name}-usage.csv"
    look(page, f"usage-ranks-ended-{theme}")
    assert violations(page, ".orr-Panel") == []
