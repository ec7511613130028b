"""A notebook that nobody uses, on a real hub: it is warned of, a kernel is freed, it stops, its variables come back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from orrery.testing.hub import Account, Hub, jupyter_hub
from orrery.testing.kernels import make_request
from orrery.testing.waiting import wait_until

#: of a kernel that holds any memory at all
IDLE = {"server_minutes": 2.0, "kernel_minutes": 0.5, "kernel_memory": 1, "warning_minutes": 0.4}
CELL = """
import sqlite3
planets = ["Mercury", "Venus"]
inner = planets
conn = sqlite3.connect(":memory:")
"""
#: it ends by itself, whatever becomes of the test
TRAINING = """
import subprocess, sys
loop = "import time\\nend = time.monotonic() + 300\\nwhile time.monotonic() < end: sum(range(1000)); time.sleep(0.0001)"
subprocess.Popen([sys.executable, "-c", loop])
"""


@pytest.fixture(scope="module")
def idle_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    home = tmp_path_factory.mktemp("idle") / "home"
    with jupyter_hub(home, environment={"ORRERY_IDLE": json.dumps(IDLE)}) as hub:
        yield hub


@pytest.fixture(scope="module")
def ann(idle_hub: Hub) -> Account:
    return idle_hub.sign_up("ann")


@pytest.fixture(scope="module")
def client(idle_hub: Hub, ann: Account) -> Iterator[httpx.Client]:
    """The hub's proxy, as ann reaches it with a token: the platform and her servers."""
    headers = {"Authorization": f"Bearer {ann.make_token()}"}
    with httpx.Client(base_url=idle_hub.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


def notebook(client: httpx.Client, name: str) -> Any:
    return client.get(f"/services/orrery/api/v1/notebooks/{name}").json()


def wait_for(client: httpx.Client, name: str, phase: str) -> Any:
    def reached() -> Any:
        seen = notebook(client, name)
        return seen if seen["status"]["phase"] == phase else None

    return wait_until(reached, what=f"{name} is {phase}", seconds=240)


def started(client: httpx.Client, name: str) -> None:
    answer = client.post("/services/orrery/api/v1/notebooks", json={"name": name, "spec": {}})
    assert answer.status_code == 201, answer.text
    wait_for(client, name, "ACTIVE_HEALTHY")


def open_notebook(client: httpx.Client, server: str) -> str:
    """The kernel of `work.ipynb`, as Lab starts it."""
    body = {"path": "work.ipynb", "name": "work.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    answer = client.post(f"/user/ann/{server}/api/sessions", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["kernel"]["id"]


def execute(client: httpx.Client, server: str, kernel: str, code: str) -> str:
    base = str(client.base_url).rstrip("/").replace("http", "ws", 1)
    address = f"{base}/user/ann/{server}/api/kernels/{kernel}/channels"
    request = make_request(code)
    printed: list[str] = []
    headers = {"Authorization": client.headers["Authorization"]}
    with connect(address, additional_headers=headers, proxy=None) as channels:
        channels.send(json.dumps(request))
        while True:
            message = json.loads(channels.recv(timeout=60))
            if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                continue
            assert message["msg_type"] != "error", message["content"]
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return "".join(printed)


def activity(client: httpx.Client, server: str) -> Any:
    answer = client.get(f"/user/ann/{server}/orrery-extension/activity")
    answer.raise_for_status()
    return answer.json()


def warned(client: httpx.Client, server: str) -> Any:
    return wait_until(lambda: activity(client, server)["warnings"], what=f"{server} is warned", seconds=90)


@pytest.mark.timeout(900)
def test_an_idle_notebook_is_said_to_stop_and_stops_while_one_that_is_kept_or_works_stays(
    client: httpx.Client,
) -> None:
    started(client, "kept")
    started(client, "left")
    started(client, "works")
    kept, left = open_notebook(client, "kept"), open_notebook(client, "left")
    execute(client, "kept", kept, CELL)
    execute(client, "left", left, CELL)
    execute(client, "works", open_notebook(client, "works"), TRAINING)

    assert warned(client, "kept")[0]["title"] == "work.ipynb"
    answer = client.post("/user/ann/kept/orrery-extension/activity/keep")
    answer.raise_for_status()
    assert answer.json()["kept_until"] > activity(client, "kept")["now"] + 3500

    # the kernel goes first, and the server stays for as long again
    freed = wait_until(lambda: activity(client, "left")["freed"], what="the kernel is freed", seconds=90)
    assert freed[0]["path"] == "work.ipynb"
    assert freed[0]["saved"].endswith("1 could not be")
    assert notebook(client, "left")["status"]["phase"] == "ACTIVE_HEALTHY"
    stopped = wait_for(client, "left", "STOPPED")
    assert stopped["status"]["reason"] == "idle"
    assert "nobody used it since" in stopped["status"]["message"]

    # what was promised, and what computes, is still there
    for name in ("kept", "works"):
        assert notebook(client, name)["status"]["phase"] == "ACTIVE_HEALTHY"
    assert execute(client, "kept", kept, "print(inner)") == "['Mercury', 'Venus']\n"
    assert "in use" not in activity(client, "works")["use"]["because"]
    assert activity(client, "works")["use"]["idle_since"] is None

    # and what it used is there for whoever comes back
    history = client.get("/services/orrery/api/v1/notebooks/left/use?range=1h").json()
    assert len(history["at"]) >= 2
    assert max(history["memory_bytes"]) > 20 << 20
    client.post(f"/services/orrery/api/v1/notebooks/{stopped['id']}/start").raise_for_status()
    wait_for(client, "left", "ACTIVE_HEALTHY")
    again = open_notebook(client, "left")
    offered = activity(client, "left")["saved"]
    assert [(offer["path"], {"planets", "inner"} <= set(offer["variables"])) for offer in offered] == [
        ("work.ipynb", True)
    ]
    assert [unsaved["name"] for unsaved in offered[0]["unsaved"]] == ["conn"]
    loaded = client.post("/user/ann/left/orrery-extension/variables", json={"path": "work.ipynb", "do": "load"})
    assert "planets" in loaded.json()["loaded"]
    assert execute(client, "left", again, "inner.append('Earth'); print(planets)") == "['Mercury', 'Venus', 'Earth']\n"
    assert activity(client, "left")["saved"] == []


def test_another_person_neither_sees_nor_keeps_a_notebook(idle_hub: Hub, client: httpx.Client) -> None:
    started(client, "mine")
    bob = idle_hub.sign_up("bob")
    headers = {"Authorization": f"Bearer {bob.make_token()}"}
    with httpx.Client(base_url=idle_hub.orrery, headers=headers, timeout=30, trust_env=False) as other:
        mine = notebook(client, "mine")["id"]
        assert other.get(f"/api/v1/notebooks/{mine}/use").status_code == 404
        assert other.post(f"/api/v1/notebooks/{mine}/use/keep").status_code == 404
