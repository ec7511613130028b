"""Where an algorithm's code comes from, chosen in its form; and secrets chosen in the form of a training."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import LONG_MILLISECONDS, execute, look, open_lab, panel, running_lab, use_theme, violations

from orrery.testing.archives import ArchiveServer, make_zip
from orrery.testing.jupyter import Jupyter
from orrery.testing.platform import wait_settled

CODE = b'import os\n\nprint("token has", len(os.environ["HF_TOKEN"]), "letters")\n'
Place = tuple[Jupyter, httpx.Client, ArchiveServer]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with ArchiveServer() as server, pytest.MonkeyPatch.context() as environment:
        for setting in ("PRIVATE_HOSTS", "INSECURE_HOSTS"):
            environment.setenv(f"ORRERY_SOURCES__{setting}", f'["{server.host}"]')
        with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
            yield lab, client, server


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_code_is_fetched_from_an_archive_and_runs_with_a_secret(place: Place, page: Page, theme: str) -> None:
    lab, client, server = place
    name = f"fetched-{theme}"
    open_lab(page, lab)
    use_theme(page, theme)

    execute(page, "orrery:create", {"kind": "algorithm"})
    form = panel(page, "orrery-form-algorithm")
    form.get_by_label("Name", exact=True).fill(name)
    drop = form.get_by_test_id("orrery-drop")
    expect(drop).to_be_visible()
    chooser = form.get_by_label("Code from", exact=True)
    chooser.focus()
    chooser.select_option("Git repository")
    expect(form.get_by_label("Revision", exact=True)).to_be_visible()
    expect(drop).to_be_hidden()
    chooser.select_option("Dataset")
    expect(form.get_by_role("combobox", name="Dataset", exact=True)).to_be_visible()
    look(page, f"source-dataset-{theme}")
    assert violations(page, ".orr-Panel") == []
    chooser.select_option("Archive")
    path = f"/{name}.zip"
    form.get_by_label("Address", exact=True).fill(server.url + path)
    look(page, f"source-archive-{theme}")
    assert violations(page, ".orr-Panel") == []
    form.get_by_test_id("orrery-submit").click()

    # there is nothing there yet: it says so, and is tried again
    shown = panel(page, "orrery-detail-algorithm")
    phase = shown.get_by_test_id("orrery-phase")
    expect(phase).to_have_attribute("data-phase", "FETCH_FAILED", timeout=LONG_MILLISECONDS)
    expect(shown).to_contain_text("(404); check the address")
    look(page, f"source-failed-{theme}")
    server.hold(path, make_zip({f"{name}-1/train.py": CODE}))
    shown.get_by_test_id("orrery-action-retry").click()
    expect(phase).to_have_attribute("data-phase", "FETCH_IN_PROGRESS")
    expect(shown.get_by_test_id("orrery-progress")).to_contain_text(f"asks {server.host}")
    look(page, f"source-fetching-{theme}")
    server.release()
    expect(phase).to_have_attribute("data-phase", "ACTIVE", timeout=LONG_MILLISECONDS)
    expect(shown.get_by_test_id("orrery-action-fetch")).to_be_visible()
    look(page, f"source-active-{theme}")
    assert violations(page, ".orr-Panel") == []

    server.answers[path] = (503, {}, b"")
    shown.get_by_test_id("orrery-action-fetch").click()
    expect(shown).to_contain_text("could not be fetched again, and stays as it was", timeout=LONG_MILLISECONDS)
    expect(phase).to_have_attribute("data-phase", "ACTIVE")
    look(page, f"source-kept-{theme}")

    # its training takes a secret that is made beside the form
    execute(page, "orrery:create", {"kind": "training", "prefill": {"name": name, "spec": {"algorithm": name}}})
    form = panel(page, "orrery-form-training")
    # what the algorithm says has come
    expect(form.get_by_test_id("orrery-cost")).to_contain_text("starts at once")
    form.locator("summary", has_text="Advanced").click()
    form.get_by_role("button", name="Add a secret").click()
    expect(form.get_by_label("Variable 1", exact=True)).to_be_focused()
    form.get_by_test_id("orrery-submit").click()
    expect(form.get_by_text("Choose a secret for the row without a name, or remove the row.").first).to_be_visible()
    if theme == "light":
        form.get_by_role("button", name="New secret").click()
        aside = panel(page, "orrery-form-secret")
        aside.get_by_label("Name", exact=True).fill("hf-token")
        aside.get_by_label("Value", exact=True).fill("nobody reads this")
        aside.get_by_test_id("orrery-submit").click()
    else:
        form.get_by_role("combobox", name="Secret for row 1").click()
        form.get_by_role("option", name="hf-token").click()
    expect(form.get_by_label("Variable 1", exact=True)).to_have_value("HF_TOKEN")
    expect(form.get_by_role("combobox", name="Secret for HF_TOKEN")).to_have_value("hf-token")
    form.get_by_label("Variable 1", exact=True).scroll_into_view_if_needed()
    look(page, f"secret-chooser-{theme}")
    assert violations(page, ".orr-Panel") == []
    form.get_by_test_id("orrery-submit").click()
    expect(panel(page, "orrery-detail-training")).to_be_visible(timeout=LONG_MILLISECONDS)
    training = wait_settled(client, "trainings", name)
    assert training["status"]["phase"] == "COMPLETE", training["status"]["message"]
    assert training["spec"]["secrets"] == {"HF_TOKEN": "hf-token"}
