"""Notebooks on a real hub: what is asked of the platform happens there, and what happens there is seen."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from orrery.testing.hub import Account, Hub
from orrery.testing.kernels import run_in_kernel
from orrery.testing.waiting import wait_until

NUMBERS = count(1)


@pytest.fixture(scope="module")
def ann(hub: Hub) -> Account:
    return hub.sign_up("nora")


@pytest.fixture(scope="module")
def platform(hub: Hub, ann: Account) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {ann.make_token()}"}
    with httpx.Client(base_url=f"{hub.orrery}/api/v1/", headers=headers, timeout=30, trust_env=False) as client:
        yield client


def create(platform: httpx.Client, name: str, **spec: Any) -> Any:
    answer = platform.post("notebooks", json={"name": name, "spec": spec})
    assert answer.status_code == 201, answer.text
    return answer.json()


def phase(platform: httpx.Client, notebook: Any) -> str:
    return platform.get(f"notebooks/{notebook['id']}").json()["status"]["phase"]


def wait_for(platform: httpx.Client, notebook: Any, wanted: str, *, seconds: float = 90) -> Any:
    def reached() -> Any:
        seen = platform.get(f"notebooks/{notebook['id']}").json()
        status = seen["status"]
        assert not status["phase"].endswith("FAILED") or status["phase"] == wanted, status
        return seen if status["phase"] == wanted else None

    return wait_until(reached, what=f"{notebook['name']} is {wanted}", seconds=seconds)


def act(platform: httpx.Client, notebook: Any, action: str) -> Any:
    answer = platform.post(f"notebooks/{notebook['id']}/{action}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def started(platform: httpx.Client, prefix: str, **spec: Any) -> Any:
    return wait_for(platform, create(platform, f"{prefix}-{next(NUMBERS)}", **spec), "ACTIVE_HEALTHY")


def server_process(notebook: Any) -> psutil.Process:
    wanted = notebook["id"]
    for process in psutil.process_iter():
        try:
            if process.environ().get("ORRERY_NOTEBOOK_ID") == wanted and "jupyterhub-singleuser" in " ".join(
                process.cmdline()
            ):
                return process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    raise AssertionError(f"no server of {wanted} runs")


def test_a_notebook_runs_stops_and_starts_with_what_was_on_its_volume(
    hub: Hub, platform: httpx.Client, ann: Account
) -> None:
    notebook = started(platform, "life", environment={"GREETING": "hello"}, instance_type="cpu-small")
    url = notebook["status"]["outputs"]["url"]
    assert url == f"/user/{ann.name}/{notebook['name']}/lab"
    path = url.removesuffix("lab")
    code = "import os; open('kept.txt', 'w').write('x'); print(os.environ['GREETING'], os.environ['ORRERY_DATA_DIR'])"
    folder = hub.home / "users" / ann.name / "servers" / notebook["name"]
    assert run_in_kernel(ann.browser, path, code).split() == ["hello", str(folder)]

    assert act(platform, notebook, "stop")["status"]["phase"] == "STOP_IN_PROGRESS"
    wait_for(platform, notebook, "STOPPED")
    changed = platform.patch(f"notebooks/{notebook['id']}", json={"spec": {"environment": {"GREETING": "again"}}})
    assert changed.status_code == 200, changed.text
    assert act(platform, notebook, "start")["status"]["phase"] == "START_IN_PROGRESS"
    wait_for(platform, notebook, "ACTIVE_HEALTHY")
    code = "import os; print(os.environ['GREETING'], open('kept.txt').read())"
    assert run_in_kernel(ann.browser, path, code).split() == ["again", "x"]

    before = server_process(notebook).pid
    assert act(platform, notebook, "reboot")["status"]["phase"] == "REBOOT_IN_PROGRESS"
    wait_for(platform, notebook, "ACTIVE_HEALTHY")
    assert server_process(notebook).pid != before


def test_what_the_hub_does_by_itself_is_seen(platform: httpx.Client, ann: Account) -> None:
    notebook = started(platform, "hubs")
    server_process(notebook).send_signal(signal.SIGKILL)
    ended = wait_for(platform, notebook, "STOPPED")
    assert ended["status"]["reason"] == "gone" and ended["target"] == "stopped"
    ann.start_server(notebook["name"])  # past the platform
    assert wait_for(platform, notebook, "ACTIVE_HEALTHY")["target"] == "running"
    ann.stop_server(notebook["name"])
    wait_for(platform, notebook, "STOPPED")


def test_a_server_made_at_the_hub_is_a_notebook(platform: httpx.Client, ann: Account) -> None:
    name = f"made-there-{next(NUMBERS)}"
    ann.start_server(name)
    found = wait_until(
        lambda: platform.get("notebooks", params={"q": name}).json()["items"], what="the platform has seen it"
    )
    assert [notebook["name"] for notebook in found] == [name]
    wait_for(platform, found[0], "ACTIVE_HEALTHY")
    act(platform, found[0], "stop")
    wait_for(platform, found[0], "STOPPED")


def test_a_server_that_does_not_answer_is_unhealthy_until_it_does(platform: httpx.Client) -> None:
    notebook = started(platform, "frozen")
    process = server_process(notebook)
    process.suspend()
    try:
        seen = wait_for(platform, notebook, "ACTIVE_UNHEALTHY", seconds=120)
        assert "reboot" in seen["status"]["message"]
    finally:
        process.resume()
    wait_for(platform, notebook, "ACTIVE_HEALTHY")
    act(platform, notebook, "stop")


def test_a_program_in_a_notebook_names_the_address_that_browsers_know(platform: httpx.Client, ann: Account) -> None:
    notebook = started(platform, "inside")
    path = notebook["status"]["outputs"]["url"].removesuffix("lab")
    ann.browser.get(f"{path}lab").raise_for_status()  # logs in there
    page = f"https://hub.example.org{path}lab"
    browser = {"Host": "hub.example.org", "Referer": page, "Sec-Fetch-Site": "same-origin"}
    assert ann.browser.get(f"{path}orrery/api/v1/kinds", headers=browser).status_code == 200
    # not what another page says
    other = {**browser, "Referer": "https://elsewhere.example.org/"}
    ann.browser.get(f"{path}orrery/api/v1/kinds", headers=other)
    code = f"import orrery; print(orrery.Client().notebooks.get({notebook['name']!r}).open())"
    assert run_in_kernel(ann.browser, path, code).strip() == page
    act(platform, notebook, "stop")


def test_a_visit_starts_it_and_leads_to_it(hub: Hub, platform: httpx.Client, ann: Account) -> None:
    notebook = create(platform, f"visited-{next(NUMBERS)}")
    visit = f"notebooks/{notebook['id']}/open"
    wait_until(lambda: platform.post(visit).json()["state"] == "awake", what="it is awake", seconds=90)
    where = f"/services/orrery/apps/{notebook['id']}/"
    answer = ann.browser.get(where, headers={"Accept": "text/html"})
    assert answer.url.path == f"/user/{ann.name}/{notebook['name']}/lab"
    act(platform, notebook, "stop")
    wait_for(platform, notebook, "STOPPED")
    waiting = ann.browser.get(where, headers={"Accept": "text/html"})
    assert waiting.status_code == 202
    wait_for(platform, notebook, "ACTIVE_HEALTHY")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"spec": {"image": "absent"}}, "absent"),
        ({"spec": {"instance_type": "enormous"}}, "choose one of"),
        ({"spec": {"instance_type": "gpu-small"}}, "take a smaller one"),
        ({"spec": {"mounts": [{"directory": "../x", "uri": "nas://a:/b"}]}}, "cannot be used"),
        ({"spec": {"mounts": [{"directory": "x", "uri": "nas://a:/../b"}]}}, "leads out"),
        ({"spec": {"mounts": [{"directory": "x", "uri": "/etc"}]}}, "nas://ID:/path"),
        ({"spec": {"mounts": [{"directory": "x", "uri": "nas://a:/b"}]}}, "here a notebook is a process"),
        ({"spec": {"environment": {"JUPYTERHUB_API_TOKEN": "x"}}}, "JUPYTERHUB_API_TOKEN"),
        ({"visibility": "public"}, "is private"),
    ],
)
def test_what_cannot_be_is_refused(platform: httpx.Client, body: dict[str, Any], said: str) -> None:
    answer = platform.post("notebooks", json={"name": "refused", "spec": {}, **body})
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["error"]["message"]


def test_the_size_is_changed_only_while_it_is_stopped(platform: httpx.Client) -> None:
    notebook = started(platform, "sized")
    change = {"spec": {"instance_type": "cpu-medium"}}
    refused = platform.patch(f"notebooks/{notebook['id']}", json=change)
    assert refused.status_code == 409
    assert "stop it before you change its instance_type" in refused.json()["error"]["message"]
    act(platform, notebook, "stop")
    wait_for(platform, notebook, "STOPPED")
    assert platform.patch(f"notebooks/{notebook['id']}", json=change).json()["spec"]["instance_type"] == "cpu-medium"


def test_only_the_hub_learns_what_a_server_is_started_with(hub: Hub, platform: httpx.Client, ann: Account) -> None:
    for headers in ({}, dict(platform.headers), {"Authorization": "Bearer x"}):
        answer = httpx.get(
            f"{hub.orrery}/api/v1/hub/servers/{ann.name}/x", headers=headers, trust_env=False, timeout=60
        )
        assert answer.status_code == 403, headers


def test_a_deleted_notebook_takes_its_volume_with_it_when_it_leaves_the_trash(
    hub: Hub, platform: httpx.Client, ann: Account
) -> None:
    notebook = started(platform, "doomed")
    folder: Path = hub.home / "users" / ann.name / "servers" / notebook["name"]
    (folder / "work.txt").write_text("mine")
    assert platform.delete(f"notebooks/{notebook['id']}").status_code in (200, 204)
    again = create(platform, notebook["name"])  # the name is free; the volume is another
    assert wait_for(platform, again, "ACTIVE_HEALTHY")["status"]["outputs"]["server"] != notebook["name"]
    assert (folder / "work.txt").read_text() == "mine"
    act(platform, again, "stop")
    assert platform.get(f"notebooks/{notebook['id']}").json()["deleted_at"]


def test_a_notebook_taken_out_of_the_trash_has_its_volume_whole(hub: Hub, platform: httpx.Client, ann: Account) -> None:
    notebook = started(platform, "restored")
    kept = hub.home / "users" / ann.name / "servers" / notebook["name"] / "work" / "kept.txt"
    kept.parent.mkdir()
    kept.write_text("kept")
    assert platform.delete(f"notebooks/{notebook['id']}").status_code in (200, 204)

    def restored() -> bool:
        return platform.post(f"notebooks/{notebook['id']}/restore").status_code == 200

    wait_until(restored, what="it has stopped, and comes back", seconds=60)
    assert kept.read_text() == "kept"
    act(platform, notebook, "start")
    back = wait_for(platform, notebook, "ACTIVE_HEALTHY")
    path = back["status"]["outputs"]["url"].removesuffix("lab")
    assert run_in_kernel(ann.browser, path, "print(open('work/kept.txt').read())").split() == ["kept"]
    act(platform, notebook, "stop")
