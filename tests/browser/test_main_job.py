"""The main job, by clicking alone, on a real JupyterHub: a table becomes an endpoint that answers.

Every stage leaves a sight in `.screenshots/`, to be looked at.
"""

from __future__ import annotations

import csv
import json
import os
import re
import signal
from collections.abc import Generator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, Route, expect
from sklearn.datasets import load_breast_cancer

from orrery.testing.hub import PASSWORD, Hub
from orrery.testing.jupyter import jupyter_lab

REPOSITORY = Path(__file__).parents[2]
SIGHTS = REPOSITORY / ".screenshots"
AXE = REPOSITORY / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
NUMBERS = count(1)
#: a training, a deployment or a notebook server's start on a busy machine
LONG_MILLISECONDS = 120_000
UPLOADS = "**/orrery/api/v1/uploads/*"
CHUNK_BYTES = 8 << 20
#: notes every phase and every progress that the page shows, however short it is there
RECORD = """() => {
    window.seen = {phases: [], progress: []};
    const note = (list, text) => { if (text && list[list.length - 1] !== text) list.push(text); };
    new MutationObserver(() => {
        const phase = document.querySelector('[data-testid=orrery-detail-training] [data-phase]');
        const bar = document.querySelector('[data-testid=orrery-progress] [role=progressbar]');
        note(window.seen.phases, phase && phase.dataset.phase);
        note(window.seen.progress, bar && bar.getAttribute('aria-valuetext'));
    }).observe(document.body, {subtree: true, childList: true, attributes: true});
}"""
DROPPED = """([name, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name, {type: 'text/csv'}));
    return data;
}"""
VIOLATIONS = """async () => (await axe.run('.orr-Panel, [data-testid=orrery-side-bar]')).violations
    .filter(found => ['serious', 'critical'].includes(found.impact))
    .map(found => found.id + ': ' + found.nodes.map(node => node.html.slice(0, 120)).join(' | '))"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "breast.csv"
    data: Any = load_breast_cancer()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, "diagnosis"])
        writer.writerows([*row, data.target_names[label]] for row, label in zip(data.data, data.target, strict=True))
    return path


@pytest.fixture
def newcomer(hub: Hub, page: Page) -> str:
    """Somebody with an account and nothing else, in front of the side bar."""
    name = f"vera{next(NUMBERS)}"
    hub.sign_up(name)
    open_lab(page, hub, name)
    return name


def look(page: Page, name: str) -> None:
    SIGHTS.mkdir(exist_ok=True)
    page.screenshot(path=SIGHTS / f"main-job-{name}.png")


def open_lab(page: Page, hub: Hub, name: str) -> None:
    """Log in and open JupyterLab with Orrery's side bar."""
    page.goto(f"{hub.url}/hub/login?next=/hub/spawn/{name}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    show_side_bar(page)


def show_side_bar(page: Page) -> Locator:
    page.wait_for_url(re.compile(r"/lab(\?|$)"), timeout=LONG_MILLISECONDS)
    page.locator('[data-id="orrery-side-bar"]').first.click(timeout=LONG_MILLISECONDS)
    side_bar = page.get_by_test_id("orrery-side-bar")
    expect(side_bar).to_contain_text("Signed in as")
    return side_bar


def panel(page: Page, name: str) -> Locator:
    """The panel that is in front."""
    return page.locator(f'.orr-Panel[data-testid="{name}"]:visible')


def recent(page: Page, kind: str, name: str) -> Locator:
    return page.get_by_test_id(f"orrery-kind-{kind}").get_by_test_id(f"orrery-recent-{name}")


def open_list(page: Page, kind: str) -> Locator:
    page.get_by_test_id(f"orrery-kind-{kind}").get_by_test_id(f"orrery-list-{kind}").click()
    return panel(page, f"orrery-list-{kind}")


def choose(form: Locator, field: str, text: str) -> None:
    """Choose a reference by typing its name."""
    box = form.get_by_test_id(f"orrery-ref-{field}")
    box.click()
    box.fill(text)
    form.page.get_by_role("option").filter(has_text=text).first.click()


def settle(page: Page, kind: str, phase: str) -> Locator:
    """The page of a resource once it has reached a phase."""
    detail = panel(page, f"orrery-detail-{kind}")
    expect(detail.get_by_test_id("orrery-phase").first).to_have_attribute(
        "data-phase", phase, timeout=LONG_MILLISECONDS
    )
    return detail


def open_form(page: Page, kind: str) -> Locator:
    page.get_by_test_id(f"orrery-new-{kind}").click()
    form = panel(page, f"orrery-form-{kind}")
    expect(form.get_by_test_id("orrery-submit")).to_be_visible()
    return form


def create_dataset(page: Page, name: str, table: Path) -> Locator:
    form = open_form(page, "dataset")
    form.get_by_label("Name", exact=True).fill(name)
    form.get_by_test_id("orrery-file-input").set_input_files(table)
    expect(form.get_by_test_id(f"orrery-file-{table.name}")).to_be_visible()
    form.get_by_test_id("orrery-submit").click()
    return settle(page, "dataset", "READY")


def offset_of(request: Request) -> int:
    return int(request.headers.get("upload-offset", "0"))


def keeps(request: Request, *words: str) -> bool:
    """Whether Lab writes down the open panels and drafts, these words among them."""
    return (
        request.method == "PUT"
        and "/lab/api/workspaces/" in request.url
        and all(word in (request.post_data or "") for word in words)
    )


def started(home: Path) -> int:
    """The platform's process that Jupyter started."""
    return int(json.loads((home / "run" / "jupyter-child.json").read_text())["pid"])


@contextmanager
def uploads_held(page: Page, from_offset: int = 0) -> Generator[None]:
    """What is sent from that byte on waits until the end; at least one such request is waited for."""
    held: list[Route] = []
    is_over = False

    def is_late(request: Request) -> bool:
        return request.method == "PATCH" and offset_of(request) >= from_offset

    def decide(route: Route) -> None:
        held.append(route) if is_late(route.request) and not is_over else route.continue_()

    page.route(UPLOADS, decide)
    with page.expect_request(is_late):
        yield
    is_over = True
    for route in held:
        route.continue_()
    page.unroute(UPLOADS)


def test_a_newcomer_turns_a_table_into_an_endpoint_by_clicking(hub: Hub, page: Page, table: Path) -> None:
    name = f"vera{next(NUMBERS)}"
    page.goto(hub.url)
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Username").fill(name)
    page.get_by_label("E-mail").fill(f"{name}@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    show_side_bar(page)
    expect(page.get_by_text("None yet").first).to_be_visible()
    look(page, "00-lab")

    form = open_form(page, "dataset")
    data = page.evaluate_handle(DROPPED, [table.name, table.read_text()])
    with uploads_held(page):
        form.get_by_test_id("orrery-drop").dispatch_event("drop", {"dataTransfer": data})
        sending = form.get_by_test_id(f"orrery-upload-{table.name}")
        expect(sending.get_by_role("progressbar")).to_be_visible()
        expect(sending).to_contain_text("of 122 KiB")
        look(page, "01-upload")
    expect(form.get_by_test_id(f"orrery-file-{table.name}")).to_be_visible()
    expect(form.get_by_label("Name", exact=True)).to_have_value("breast")
    look(page, "02-dataset-form")
    form.get_by_test_id("orrery-submit").click()

    dataset = settle(page, "dataset", "READY")
    dataset.get_by_test_id("orrery-tab-data").click()
    expect(dataset.get_by_text("569 rows, 31 columns")).to_be_visible()
    expect(dataset.get_by_test_id("orrery-preview").get_by_text("malignant").first).to_be_visible()
    expect(dataset.get_by_test_id("orrery-columns").get_by_role("cell", name="category").first).to_be_visible()
    look(page, "03-dataset-data")

    form = open_form(page, "training")
    form.get_by_label("Name", exact=True).fill("breast-1")
    choose(form, "spec_algorithm", "xgboost")
    choose(form, "spec_datasets_train", "breast")
    form.get_by_label("Target", exact=True).select_option("diagnosis")
    look(page, "04-training-form")
    page.evaluate(RECORD)
    form.get_by_test_id("orrery-submit").click()
    training = settle(page, "training", "COMPLETE")
    seen = page.evaluate("() => window.seen")
    assert "RUNNING" in seen["phases"] and seen["phases"][-1] == "COMPLETE", seen
    assert any("%" in text for text in seen["progress"]), seen
    shown = training.get_by_test_id("orrery-metrics").inner_text()
    found = re.search(r"ROC AUC\D*([01](\.\d+)?)", shown, re.IGNORECASE)
    assert found and float(found.group(1)) >= 0.98, shown
    expect(training.get_by_role("img", name="Confusion matrix")).to_be_visible()
    look(page, "05-training-complete")
    training.get_by_test_id("orrery-tab-metrics").click()
    expect(training.get_by_test_id("orrery-panel-metrics").locator("canvas").first).to_be_visible()
    look(page, "06-training-metrics")
    training.get_by_test_id("orrery-tab-logs").click()
    expect(training.get_by_role("log")).to_contain_text("rounds are kept")
    look(page, "07-training-logs")

    page.reload()
    training = settle(page, "training", "COMPLETE")
    tabs = page.locator("#jp-main-dock-panel .lm-TabBar-tabLabel")
    expect(tabs.filter(has_text=re.compile("^breast$"))).to_have_count(1)
    expect(recent(page, "training", "breast-1")).to_be_visible()

    training.get_by_test_id("orrery-tab-notebook").click()
    training.get_by_test_id("orrery-open-notebook").click()
    notebook = page.locator(".jp-NotebookPanel:visible")
    expect(notebook.get_by_role("heading", name="XGBoost")).to_be_visible(timeout=LONG_MILLISECONDS)
    expect(notebook.locator(".jp-OutputArea-output").first).to_be_attached()
    look(page, "08-executed-notebook")

    recent(page, "training", "breast-1").click()
    panel(page, "orrery-detail-training").get_by_test_id("orrery-open-model").click()
    model = settle(page, "model", "ACTIVE")
    model.get_by_test_id("orrery-tab-card").click()
    expect(model.get_by_test_id("orrery-model-card")).to_contain_text("diagnosis")
    look(page, "09-model-card")
    model.get_by_test_id("orrery-deploy").click()
    form = panel(page, "orrery-form-endpoint")
    expect(form.get_by_test_id("orrery-ref-spec_deployments_0_model")).to_have_value("breast-1@1")
    form.get_by_label("Name", exact=True).fill("breast")
    look(page, "10-endpoint-form")
    form.get_by_test_id("orrery-submit").click()
    endpoint = settle(page, "endpoint", "ACTIVE")
    endpoint.get_by_test_id("orrery-tab-playground").click()
    expect(endpoint.get_by_label("mean radius")).to_have_value(re.compile(r"^\d"))
    endpoint.get_by_role("radio", name="JSON").check()
    expect(endpoint.get_by_test_id("orrery-try-input")).to_have_value(re.compile("mean radius"))
    endpoint.get_by_test_id("orrery-try-submit").click()
    expect(endpoint.get_by_test_id("orrery-try-result")).to_contain_text(re.compile("malignant|benign"))
    expect(endpoint.get_by_label("Address", exact=True)).to_contain_text(f"{hub.orrery}/endpoints/{name}/breast/")
    look(page, "11-endpoint-answers")


def test_the_notebook_behind_the_form_opens_with_the_forms_values(newcomer: str, page: Page) -> None:
    form = open_form(page, "training")
    choose(form, "spec_algorithm", "xgboost")
    form.get_by_label("Rounds", exact=True).fill("123")
    form.get_by_test_id("orrery-open-source-notebook").click()
    cells = page.locator(".jp-NotebookPanel:visible .jp-CodeCell")
    expect(cells.nth(1)).to_contain_text("rounds = 123", timeout=LONG_MILLISECONDS)
    look(page, "12-notebook-of-a-form")


def test_an_upload_goes_on_where_a_reload_stopped_it(newcomer: str, page: Page, tmp_path: Path) -> None:
    typed = "what was typed stays"
    large = tmp_path / "large.csv"
    large.write_bytes(b"a,b\n" + b"1,2\n" * (5 << 20))
    with page.expect_response(lambda answer: keeps(answer.request, "orrery-form", typed)):
        form = open_form(page, "dataset")
        form.get_by_label("Description", exact=True).fill(typed)
    with uploads_held(page, from_offset=CHUNK_BYTES):
        form.get_by_test_id("orrery-file-input").set_input_files(large)
        expect(form.get_by_test_id("orrery-upload-large.csv")).to_contain_text(re.compile(r"^large\.csv([89]|1\d)"))
        page.reload()
    form = panel(page, "orrery-form-dataset")
    expect(form.get_by_label("Description", exact=True)).to_have_value(typed)
    sent: list[int] = []
    page.on("request", lambda request: sent.append(offset_of(request)) if request.method == "PATCH" else None)
    form.get_by_test_id("orrery-file-input").set_input_files(large)
    expect(form.get_by_test_id("orrery-file-large.csv")).to_be_visible()
    assert sent and min(sent) >= CHUNK_BYTES, sent


def test_deleting_what_is_used_lists_it_and_all_of_it_comes_back(newcomer: str, page: Page, table: Path) -> None:
    dataset = create_dataset(page, "used", table)
    dataset.get_by_test_id("orrery-delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_test_id("orrery-dependents")).to_contain_text("used@1")
    look(page, "13-delete-refused")
    page.get_by_role("dialog").get_by_role("button", name="Delete all of these").click()
    look(page, "14-delete-all")
    page.get_by_role("dialog").get_by_role("button", name="Delete all 2").click()
    expect(page.get_by_test_id("orrery-recent-used")).to_have_count(0)
    look(page, "15-deleted")
    page.get_by_role("button", name=re.compile("Undo", re.IGNORECASE)).first.click()
    expect(recent(page, "dataset", "used")).to_be_visible()


def test_nobody_sees_anothers_things(hub: Hub, chromium: Browser, newcomer: str, page: Page, table: Path) -> None:
    create_dataset(page, "private-table", table)
    mine = page.request.get(f"{hub.url}/user/{newcomer}/orrery/api/v1/datasets/by-name/{newcomer}/private-table")
    assert mine.ok, mine.text()
    second = f"vera{next(NUMBERS)}"
    hub.sign_up(second)
    with closing(chromium.new_context(viewport={"width": 1280, "height": 720})) as context:
        other = context.new_page()
        other.set_default_timeout(30_000)
        open_lab(other, hub, second)
        expect(other.get_by_test_id("orrery-list-dataset").get_by_label("0 in all")).to_be_visible()
        expect(other.get_by_test_id("orrery-recent-private-table")).to_have_count(0)
        prefix = f"{hub.url}/user/{second}/orrery/api/v1/datasets"
        assert other.request.get(prefix).json()["items"] == []
        for path in (f"by-name/{newcomer}/private-table", mine.json()["id"], f"{mine.json()['id']}/files/breast.csv"):
            assert other.request.get(f"{prefix}/{path}").status == 404, path
        assert other.request.get(f"{hub.url}/user/{newcomer}/orrery/api/v1/datasets").status in (403, 404)


def test_the_panels_are_accessible_in_both_themes(newcomer: str, page: Page, table: Path) -> None:
    create_dataset(page, "themed", table)
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.locator(".lm-MenuBar-item").filter(has_text="Settings").click()
        page.locator(".lm-Menu-item").filter(has_text=re.compile("^Theme")).first.hover()
        page.locator(".lm-Menu-item").filter(has_text=re.compile(f"^{theme}$")).first.click()
        expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
        page.add_script_tag(path=AXE)
        shade = theme.rpartition(" ")[2].lower()
        recent(page, "dataset", "themed").click()
        detail = panel(page, "orrery-detail-dataset")
        for tab in ("overview", "data", "files", "logs", "lineage"):
            detail.get_by_test_id(f"orrery-tab-{tab}").click()
            expect(detail.get_by_test_id(f"orrery-panel-{tab}")).to_be_visible()
            assert page.evaluate(VIOLATIONS) == [], f"{tab} of a dataset, {shade}"
        look(page, f"16-detail-{shade}")
        listed = open_list(page, "dataset")
        expect(listed.get_by_test_id("orrery-row-themed")).to_be_visible()
        look(page, f"17-list-{shade}")
        assert page.evaluate(VIOLATIONS) == [], f"list, {shade}"
        form = open_form(page, "training")
        choose(form, "spec_algorithm", "xgboost")
        expect(form.get_by_label("Rounds", exact=True)).to_be_visible()
        form.get_by_test_id("orrery-submit").click()
        expect(form.get_by_test_id("orrery-problems")).to_contain_text("Training data")
        look(page, f"18-form-{shade}")
        assert page.evaluate(VIOLATIONS) == [], f"form with problems, {shade}"


def test_jupyter_lab_alone_says_when_its_platform_is_away_and_recovers(home: Path, page: Page, tmp_path: Path) -> None:
    with jupyter_lab(home, tmp_path / "lab") as jupyter:
        page.goto(f"{jupyter.url}/lab?token={jupyter.token}")
        side_bar = show_side_bar(page)
        xgboost = open_list(page, "algorithm").get_by_test_id("orrery-row-xgboost")
        expect(xgboost).to_be_visible()
        banner = side_bar.get_by_test_id("orrery-platform-banner")
        expect(banner).to_have_count(0)
        os.kill(started(home), signal.SIGKILL)
        expect(banner).to_be_visible()
        expect(xgboost).to_be_visible()
        look(page, "19-platform-away")
        expect(banner).to_have_count(0, timeout=LONG_MILLISECONDS)
        form = open_form(page, "experiment")
        form.get_by_label("Name", exact=True).fill("afterwards")
        form.get_by_test_id("orrery-submit").click()
        settle(page, "experiment", "ACTIVE")
