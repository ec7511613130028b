"""Several runs from one training form: values and datasets, counted before and made in one call."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import CSV, execute, look, open_lab, panel, running_lab, use_theme, violations

from orrery.testing.jupyter import Jupyter
from orrery.testing.platform import create_dataset, wait_settled
from orrery.testing.waiting import wait_until

Stocked = tuple[Jupyter, httpx.Client]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
        create_dataset(client, "flowers", CSV)
        create_dataset(client, "petals", CSV + b"1.1,2,red,iris\n")
        yield lab, client


def test_values_and_datasets_are_varied_and_the_list_shows_the_runs(stocked: Stocked, page: Page) -> None:
    lab, client = stocked
    me = client.get("auth/whoami").json()["name"]
    open_lab(page, lab)
    spec = {
        "algorithm": "orrery/xgboost",
        "datasets": {"train": f"{me}/flowers"},
        "parameters": {"target": "species", "rounds": 4},
    }
    execute(page, "orrery:create", {"kind": "training", "prefill": {"name": "grid", "spec": spec}})
    form = panel(page, "orrery-form-training")
    expect(form.get_by_label("Max depth", exact=True)).to_be_visible()
    sweep = form.get_by_test_id("orrery-sweep")
    # by keyboard, as anybody may
    sweep.locator("summary").focus()
    page.keyboard.press("Enter")
    sweep.get_by_test_id("orrery-sweep-add-values").click()
    sweep.get_by_label("Hyperparameter 1").select_option("max_depth")
    # what is varied has no value of its own
    expect(form.get_by_label("Max depth", exact=True)).to_have_count(0)
    values = sweep.get_by_role("textbox", name="Values of max_depth")
    runs = sweep.get_by_test_id("orrery-sweep-runs")
    values.fill("2..many")
    expect(runs).to_contain_text("max_depth: '2..many' is no range")
    values.fill("1..300")
    expect(runs).to_contain_text("'1..300' has 300 values; at most 200 runs are possible")
    look(page, "sweep-refused-light")
    values.fill("2..4:2")
    values.press("Enter")
    expect(runs).to_have_text("2 runs: 2 × max_depth")
    sweep.get_by_test_id("orrery-sweep-add-dataset").click()
    sweep.get_by_role("combobox", name="Dataset tried 1").fill("petals")
    page.get_by_role("option").filter(has_text="petals").first.click()
    expect(runs).to_have_text("4 runs: 2 × max_depth, 2 × train")
    expect(form.get_by_test_id("orrery-cost")).to_contain_text("4 runs")
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"sweep-{theme}")
        assert violations(page, '[data-testid="orrery-sweep"]') == []
    form.get_by_role("button", name="Start 4 trainings").click()
    rows = panel(page, "orrery-list-training").get_by_role("row").filter(has_text="grid-")
    expect(rows).to_have_count(4)
    look(page, "sweep-list-dark")
    made = [client.get(f"trainings/grid-{number}").json() for number in range(1, 5)]
    names = {one["id"]: one["name"] for one in client.get("dataset-versions").json()["items"]}
    assert [(names[one["spec"]["datasets"]["train"]], one["spec"]["parameters"]["max_depth"]) for one in made] == [
        ("flowers", 2),
        ("flowers", 4),
        ("petals", 2),
        ("petals", 4),
    ]
    assert len({one["spec"]["experiment"] for one in made}) == 1
    for one in made:
        assert wait_settled(client, "trainings", one["id"])["status"]["phase"] == "COMPLETE"


def test_a_form_with_several_runs_comes_back_after_a_reload(stocked: Stocked, page: Page) -> None:
    lab, _ = stocked
    open_lab(page, lab)
    prefill = {"name": "again", "spec": {"algorithm": "orrery/xgboost"}}
    execute(page, "orrery:create", {"kind": "training", "prefill": prefill})
    sweep = panel(page, "orrery-form-training").get_by_test_id("orrery-sweep")
    sweep.locator("summary").click()
    sweep.get_by_test_id("orrery-sweep-add-values").click()
    sweep.get_by_label("Hyperparameter 1").select_option("rounds")
    sweep.get_by_role("textbox", name="Values of rounds").fill("5, 6")
    headers = {"Authorization": f"token {lab.token}"}
    workspace = f"{lab.url}/lab/api/workspaces/default"
    kept = functools.partial(httpx.get, workspace, headers=headers, trust_env=False)
    wait_until(lambda: "5, 6" in kept().text, what="the draft is kept")
    page.reload()
    again = panel(page, "orrery-form-training").get_by_test_id("orrery-sweep")
    expect(again.get_by_role("textbox", name="Values of rounds")).to_have_value("5, 6")
    again.get_by_role("button", name="Do not vary rounds").click()
    expect(panel(page, "orrery-form-training").get_by_role("button", name="Start training")).to_be_visible()
