"""The queue that an administrator pauses, and templates: saved from a training, used by a form, in both themes."""

from __future__ import annotations

import re
from collections.abc import Iterator

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
from orrery.testing.platform import create_dataset, put_object, wait_settled
from orrery.testing.waiting import wait_until

GREEDY = b"""import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int, default=3)
parser.parse_args()
"""
Stocked = tuple[Jupyter, httpx.Client]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
        create_dataset(client, "flowers", CSV)
        train(client, "tulip", max_depth=3)
        assert wait_settled(client, "trainings", "tulip")["status"]["phase"] == "COMPLETE"
        yield lab, client


def test_an_administrator_pauses_the_queue_and_everybody_reads_why(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    execute(page, "orrery:open-overview")
    queue = panel(page, "orrery-overview").get_by_test_id("orrery-overview-queue")
    queue.get_by_test_id("orrery-queue-switch").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("new disks at noon")
    dialog.get_by_role("button", name="Pause").click()
    expect(queue.get_by_test_id("orrery-queue-pause")).to_contain_text("new disks at noon. No job starts; none runs.")
    train(client, "rose")
    expect(queue).to_contain_text("nothing starts: the queue is paused by", timeout=LONG_MILLISECONDS)
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"queue-paused-{theme}")
        assert violations(page, "#orrery-overview") == []
    queue.get_by_test_id("orrery-queue-switch").click()
    expect(queue.get_by_test_id("orrery-queue-pause")).to_have_count(0)
    assert wait_settled(client, "trainings", "rose")["status"]["phase"] == "COMPLETE"


def test_what_waits_is_given_another_priority_and_what_begins_later_is_listed(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    client.post("queue/pause", json={"reason": "tidying up"}).raise_for_status()
    open_lab(page, lab)
    execute(page, "orrery:open-overview")
    queue = panel(page, "orrery-overview").get_by_test_id("orrery-overview-queue")
    for name in ("daisy", "poppy"):
        train(client, name)
        expect(queue).to_contain_text(name, timeout=LONG_MILLISECONDS)
    spec = {"algorithm": "xgboost", "datasets": {"train": "flowers"}, "parameters": {"target": "species"}}
    later = {"name": "aster", "spec": {**spec, "start_after": "2100-01-01T22:00:00+00:00"}}
    client.post("trainings", json=later).raise_for_status()
    expect(queue.get_by_test_id("orrery-queue-later")).to_contain_text(
        "was asked to start no earlier than 2100-01-01 22:00 UTC", timeout=LONG_MILLISECONDS
    )
    queue.get_by_label("Priority of poppy").select_option("HIGH")
    expect(queue.get_by_role("listitem").first).to_contain_text("poppy", timeout=LONG_MILLISECONDS)
    assert client.get("trainings/poppy").json()["spec"]["priority"] == "HIGH"
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"queue-priority-{theme}")
        assert violations(page, "#orrery-overview") == []
    for name in ("daisy", "poppy", "aster"):
        client.post(f"trainings/{name}/stop").raise_for_status()
        wait_settled(client, "trainings", name)
    client.post("queue/resume").raise_for_status()


def test_an_administrator_empties_the_machine_and_limits_what_is_held(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    execute(page, "orrery:open-overview")
    queue = panel(page, "orrery-overview").get_by_test_id("orrery-overview-queue")
    queue.get_by_test_id("orrery-queue-switch").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("new kernel")
    dialog.get_by_label("Empty the machine").check()
    look(page, "queue-drain-dialog")
    dialog.get_by_role("button", name="Pause").click()
    expect(queue.get_by_test_id("orrery-queue-pause")).to_contain_text("Being drained by")
    assert client.get("queue").json()["pause"]["draining"] is True
    queue.get_by_test_id("orrery-queue-switch").click()
    expect(queue.get_by_test_id("orrery-queue-pause")).to_have_count(0)

    queue.get_by_test_id("orrery-queue-limits").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Jobs of everyone").fill("4")
    dialog.get_by_test_id("orrery-limits-add-group").click()
    dialog.get_by_role("textbox", name="Group", exact=True).fill("students")
    dialog.get_by_label("Memory, GiB of group students").fill("lots")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"queue-limits-{theme}")
        assert violations(page, ".orr-Limits") == []
    dialog.get_by_role("button", name="Save").click()
    refused = page.get_by_role("dialog").filter(has_text="Memory, GiB of group students: 'lots' is no amount")
    refused.get_by_role("button").last.click()
    # what was typed is still there
    expect(dialog.get_by_label("Jobs of everyone")).to_have_value("4")
    dialog.get_by_label("Memory, GiB of group students").fill("8")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    limits = {"everyone": {"jobs": 4}, "users": {}, "groups": {"students": {"memory_bytes": 8 << 30}}}
    wait_until(lambda: client.get("queue/limits").json() == limits, what="the limits as given")

    queue.get_by_test_id("orrery-queue-limits").click()
    dialog.get_by_role("button", name="Take away the limits of group students").click()
    dialog.get_by_label("Jobs of everyone").fill("")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    nothing = {"everyone": {}, "users": {}, "groups": {}}
    wait_until(lambda: client.get("queue/limits").json() == nothing, what="the limits taken away")


def test_the_form_tells_whether_it_fits_into_memory_and_takes_what_would(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    me = client.get("auth/whoami").json()["name"]
    code = put_object(client, GREEDY)
    files = [{"path": "greedy.py", **{key: code[key] for key in ("oid", "size")}}]
    memory = {"bytes": "GiB * depth", "smaller": ["depth"]}
    answer = client.post("algorithms", json={"name": "greedy", "spec": {"files": files, "memory": memory}})
    assert answer.status_code == 201, answer.text
    spec = {"algorithm": f"{me}/greedy", "datasets": {"train": f"{me}/flowers"}}
    execute(page, "orrery:create", {"kind": "training", "prefill": {"name": "greedy", "spec": spec}})
    line = panel(page, "orrery-form-training").get_by_test_id("orrery-memory")
    expect(line).to_have_attribute("data-verdict", "exceeds", timeout=LONG_MILLISECONDS)
    expect(line).to_contain_text("Needs about 3 GiB of memory, and cpu-small has 2 GiB")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"memory-exceeds-{theme}")
    assert violations(page, '[data-testid="orrery-memory"]') == []
    line.get_by_role("button", name="depth = 1").click()
    expect(line).to_have_attribute("data-verdict", "fits")
    expect(line).to_contain_text("About 1 GiB of 2 GiB of memory")
    expect(panel(page, "orrery-form-training").get_by_label("Depth", exact=True)).to_have_value("1")
    look(page, "memory-fits-dark")


def test_a_template_is_saved_from_a_training_and_fills_in_the_form(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    open_lab(page, lab)
    execute(page, "orrery:open", {"kind": "training", "ref": "tulip"})
    page.get_by_role("button", name="Save as template").click()
    dialog = page.get_by_role("dialog")
    name = dialog.get_by_role("textbox", name="Name")
    expect(name).to_be_focused()
    name.fill("quick")
    look(page, "template-save")
    dialog.get_by_role("button", name="Save as template").click()
    wait_settled_soon(client)
    execute(page, "orrery:open-list", {"kind": "template"})
    rows = page.get_by_role("row")
    expect(rows.filter(has_text="quick")).to_contain_text("max_depth")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"templates-{theme}")
    execute(page, "orrery:open", {"kind": "template", "ref": "quick"})
    page.locator('[data-testid="orrery-use-template"]:visible').click()
    form = panel(page, "orrery-form-training")
    expect(form.get_by_label("Max depth", exact=True)).to_have_value("3")
    form.get_by_label("Name", exact=True).fill("from-template")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"template-used-{theme}")
    form.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("heading", name="from-template")).to_be_visible()
    made = wait_settled(client, "trainings", "from-template")
    assert made["spec"]["parameters"]["max_depth"] == 3
    assert made["spec"]["parameters"]["target"] == "species"


def test_a_form_that_was_opened_plainly_begins_with_a_template(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    settings = {"algorithm": "orrery/xgboost", "parameters": {"max_depth": 5, "target": "species"}}
    answer = client.post("templates", json={"name": "deep", "spec": settings})
    assert answer.status_code == 201, answer.text
    open_lab(page, lab)
    for kind in ("tuning", "training"):
        execute(page, "orrery:create", {"kind": kind})
        form = panel(page, f"orrery-form-{kind}")
        expect(form.get_by_label("Name", exact=True)).to_be_focused()
        choice = form.get_by_role("combobox", name="Start from a template")
        choice.fill("deep")
        expect(form.get_by_role("option", name=re.compile("^Active deep"))).to_be_visible()
        choice.press("Enter")
        expect(choice).to_have_attribute("aria-expanded", "false")
        expect(choice).to_have_value("deep")
        expect(form.get_by_label("Max depth", exact=True)).to_have_value("5")
        for theme in ("light", "dark"):
            use_theme(page, theme)
            look(page, f"{kind}-from-a-template-{theme}")
        assert violations(page, f'[data-testid="orrery-form-{kind}"]') == []
    form.get_by_role("button", name="Clear Start from a template").click()
    expect(form.get_by_test_id("orrery-ref-spec_algorithm")).to_have_value("")


def test_an_address_opens_the_form_with_a_template(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    spec = {"algorithm": "orrery/xgboost", "parameters": {"max_depth": 7}}
    answer = client.post("templates", json={"name": "by-link", "spec": spec})
    assert answer.status_code == 201, answer.text
    wait_settled(client, "templates", "by-link")
    page.goto(f"{lab.url}/lab?token={lab.token}&reset&orrery=trainings/new&template=by-link")
    form = panel(page, "orrery-form-training")
    expect(form.get_by_label("Max depth", exact=True)).to_have_value("7", timeout=LONG_MILLISECONDS)
    execute(page, "orrery:open", {"kind": "template", "ref": "by-link"})
    expect(page.locator('[data-testid="orrery-copy-template-link"]:visible')).to_be_visible()
    look(page, "template-with-link")


def wait_settled_soon(client: httpx.Client) -> None:
    wait_until(lambda: client.get("templates/quick").status_code == 200, what="the template")
    assert wait_settled(client, "templates", "quick")["status"]["phase"] == "ACTIVE"
