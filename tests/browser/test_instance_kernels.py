"""A notebook whose kernel runs on an instance: chosen, waited for in the queue, and told of when it is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import LONG_MILLISECONDS, execute, look, open_lab, running_lab, use_theme

from orrery.testing.instance_kernels import wait_for_kernels
from orrery.testing.jupyter import Jupyter
from orrery.testing.waiting import wait_until

Running = tuple[Jupyter, httpx.Client]
ON_SMALL = "python3.on.cpu-small"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        wait_for_kernels(running[0], ON_SMALL)
        yield running


def live(client: httpx.Client) -> list[dict[str, Any]]:
    return client.get("kernels", params={"state": "Pending,Running"}).json()["items"]


def test_a_kernel_on_an_instance_is_chosen_waited_for_and_told_of_when_it_is_lost(lab: Running, page: Page) -> None:
    server, client = lab
    open_lab(page, server)
    client.post("queue/pause", json={"reason": "new disks at noon"}).raise_for_status()
    execute(page, "notebook:create-new", {"path": ""})
    dialog = page.get_by_role("dialog")
    choice = dialog.get_by_role("combobox")
    expect(choice.locator("option", has_text="Python 3 · cpu-small").first).to_be_attached(timeout=LONG_MILLISECONDS)
    # what runs on the notebook's own machine is proposed
    assert choice.evaluate("select => select.selectedOptions[0].text") == "Python 3"
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"instance-kernel-picker-{theme}")
    choice.select_option(label="Python 3 · cpu-small")
    dialog.get_by_role("button", name="Select").click()
    waiting = page.locator(".Toastify__toast", has_text="1st in the queue for cpu-small")
    expect(waiting).to_contain_text("new disks at noon", timeout=LONG_MILLISECONDS)
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"instance-kernel-waits-{theme}")
    client.post("queue/resume").raise_for_status()
    expect(waiting).to_have_count(0, timeout=LONG_MILLISECONDS)
    cell = page.locator(".jp-Notebook .jp-Cell .cm-content").first
    cell.click()
    page.keyboard.type("import os; print('on', os.environ['ORRERY_KERNEL'][:3], 6 * 7)")
    page.keyboard.press("Control+Enter")
    output = page.locator(".jp-OutputArea-output").first
    expect(output).to_contain_text("on krn 42", timeout=LONG_MILLISECONDS)
    look(page, "instance-kernel-runs")
    [held] = live(client)
    execute(page, "orrery:open-list", {"kind": "kernel"})
    expect(page.get_by_role("row").filter(has_text=held["name"])).to_contain_text("cpu-small")
    look(page, "instance-kernel-list")
    client.post(f"kernels/{held['id']}/stop").raise_for_status()
    lost = page.locator(".Toastify__toast", has_text="on cpu-small has ended: stopped")
    expect(lost).to_be_visible(timeout=LONG_MILLISECONDS)
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"instance-kernel-lost-{theme}")
    wait_until(lambda: not live(client), what="its instance is free")
