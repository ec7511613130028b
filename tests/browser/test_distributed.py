"""In JupyterLab: a secret is kept and used, a training of two nodes started by its form, each rank's log read."""

from __future__ import annotations

from collections.abc import Iterator

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


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Jupyter, httpx.Client]]:
    with running_lab(tmp_path_factory.mktemp("distributed")) as (lab, client):
        stored = put_object(client, CODE)
        file = {"path": "train.py", "oid": stored["oid"], "size": stored["size"]}
        client.post("algorithms", json={"name": "two-nodes", "spec": {"files": [file]}}).raise_for_status()
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
