"""In JupyterLab: a training that waits for a GPU starts a copy on CPU, from its page and from the queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import LONG_MILLISECONDS, execute, look, open_lab, panel, running_lab, use_theme, violations

from orrery.testing.jupyter import Jupyter
from orrery.testing.platform import put_object, wait_settled
from orrery.testing.waiting import wait_until

CODE = b"""
import os, pathlib, time
while not pathlib.Path(os.environ["GO"]).exists():
    time.sleep(0.05)
"""
#: a GPU that the machine is said to have
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "0",
    "ORRERY_CORES": "6",
    "ORRERY_MEMORY_BYTES": "8G",
    "ORRERY_INSTANCE_TYPES": json.dumps(
        {
            "cpu-small": {"title": "1 core, 1 GiB", "cores": 1, "memory_bytes": "1G"},
            "gpu-small": {"title": "1 core, 1 GiB, 1 GPU", "cores": 1, "memory_bytes": "1G", "gpus": 1},
        }
    ),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Jupyter, httpx.Client]]:
    with running_lab(tmp_path_factory.mktemp("meanwhile"), ENVIRONMENT) as (lab, client):
        stored = put_object(client, CODE)
        file = {"path": "train.py", "oid": stored["oid"], "size": stored["size"]}
        client.post("algorithms", json={"name": "waits", "spec": {"files": [file]}}).raise_for_status()
        yield lab, client


def train(client: httpx.Client, name: str, go: Path) -> None:
    environment = {"GO": str(go)}
    spec = {"algorithm": "waits", "instance_type": "gpu-small", "register_model": False, "environment": environment}
    client.post("trainings", json={"name": name, "spec": spec}).raise_for_status()


def wait_for_phase(client: httpx.Client, name: str, phase: str) -> None:
    wait_until(lambda: client.get(f"trainings/{name}").json()["status"]["phase"] == phase, what=f"{name} is {phase}")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_copy_is_started_from_the_page_and_from_the_queue(
    page: Page, lab: tuple[Jupyter, httpx.Client], theme: str, tmp_path: Path
) -> None:
    server, client = lab
    go = tmp_path / "go"
    held, first, second = (f"{name}-{theme}" for name in ("holds", "first", "second"))
    train(client, held, go)
    wait_for_phase(client, held, "RUNNING")
    for name in (first, second):
        train(client, name, go)
        wait_until(lambda one=name: client.get(f"trainings/{one}").json()["status"]["outputs"].get("queue"), what=name)
    open_lab(page, server)
    use_theme(page, theme)

    execute(page, "orrery:open", {"kind": "training", "ref": first})
    detail = panel(page, "orrery-detail-training")
    expect(detail.get_by_test_id("orrery-meanwhile")).to_contain_text("A copy can start on cpu-small at once")
    look(page, f"meanwhile-offer-{theme}")
    assert violations(page, ".orr-Panel") == []
    button = detail.get_by_role("button", name="Start on CPU meanwhile")
    button.focus()
    page.keyboard.press("Enter")

    expect(detail.get_by_test_id("orrery-name")).to_have_text(f"{first}-cpu")
    expect(detail.get_by_test_id("orrery-phase")).to_have_attribute("data-phase", "RUNNING", timeout=LONG_MILLISECONDS)
    expect(detail.get_by_role("button", name="Start on CPU meanwhile")).to_have_count(0)
    look(page, f"meanwhile-copy-{theme}")
    detail.get_by_test_id("orrery-meanwhile").get_by_role("button", name=first, exact=True).click()
    expect(detail.get_by_test_id("orrery-name")).to_have_text(first)
    expect(detail.get_by_test_id("orrery-queue")).to_contain_text("Place 1 in the queue")
    expect(detail.get_by_test_id("orrery-meanwhile")).to_contain_text(f"Started on CPU meanwhile: {first}-cpu")
    expect(detail.get_by_role("button", name="Start on CPU meanwhile")).to_have_count(0)
    look(page, f"meanwhile-waits-{theme}")
    assert violations(page, ".orr-Panel") == []

    execute(page, "orrery:open-overview")
    queue = panel(page, "orrery-overview").get_by_test_id("orrery-overview-queue")
    expect(queue.get_by_test_id(f"orrery-start-on-cpu-{first}")).to_have_count(0)
    offer = queue.get_by_test_id(f"orrery-start-on-cpu-{second}")
    expect(offer).to_be_visible()
    look(page, f"meanwhile-queue-{theme}")
    assert violations(page, "#orrery-overview") == []
    offer.click()
    expect(detail.get_by_test_id("orrery-name")).to_have_text(f"{second}-cpu")

    # where it cannot start after all, the reason is said
    client.post("queue/pause", json={"reason": "new disks"}).raise_for_status()
    third = f"third-{theme}"
    train(client, third, go)
    wait_until(lambda: client.get(f"trainings/{third}").json()["status"]["outputs"].get("queue"), what=third)
    refused = client.post(f"trainings/{third}/start-on-cpu")
    assert refused.status_code == 422, refused.text
    assert "nothing starts: the queue is paused" in refused.json()["error"]["message"]
    client.post("queue/resume").raise_for_status()
    go.touch()
    for name in (held, first, f"{first}-cpu", second, f"{second}-cpu", third):
        assert wait_settled(client, "trainings", name)["status"]["phase"] == "COMPLETE"
