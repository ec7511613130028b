"""Dashboards on a real platform: real Voila, a real kernel behind a real WebSocket, real kills."""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import nbformat
import pytest
from websockets.exceptions import InvalidStatus

from orrery.testing.apps import KERNEL, enter, knock, page_kernel, publish, slider_notebook
from orrery.testing.jupyter import jupyter_lab
from orrery.testing.platform import RunningPlatform, create_dataset, put_object
from orrery.testing.waiting import wait_until

TABLE = b"a,b\n" + b"1,2\n" * 7


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with RunningPlatform(tmp_path_factory.mktemp("h")) as running:
        yield running


@pytest.fixture(scope="module")
def alice(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client("alice", groups=("team",)) as client:
        yield client


def wait_phase(client: httpx.Client, dashboard: Any, *phases: str, seconds: float = 60) -> Any:
    def reached() -> Any:
        found = client.get(f"dashboards/{dashboard['id']}").json()
        return found if found["status"]["phase"] in phases else None

    return wait_until(reached, seconds=seconds, what=f"{dashboard['name']} is {phases}")


def act(client: httpx.Client, dashboard: Any, action: str) -> None:
    answer = client.post(f"dashboards/{dashboard['id']}/{action}")
    assert answer.status_code == 200, answer.text


def test_a_visit_wakes_it_its_widgets_answer_and_it_falls_asleep(
    platform: RunningPlatform, alice: httpx.Client
) -> None:
    create_dataset(alice, "iris", TABLE)
    spec = {"datasets": {"train": "iris"}, "parameters": {"rounds": "5"}, "idle_minutes": 0.05}
    dashboard = publish(alice, "report", spec=spec)
    assert dashboard["spec"]["parameters"] == {"rounds": 5}
    resting = wait_phase(alice, dashboard, "ASLEEP")
    assert resting["status"]["outputs"]["environment"]["python"].startswith("3.")
    assert resting["status"]["outputs"]["url"] == f"/apps/{dashboard['id']}/"

    first = knock(platform.url, dashboard["id"], alice.headers)
    assert first.status_code == 202 and first.headers["retry-after"] == "1"
    assert "report is waking up" in first.text and 'http-equiv="refresh"' in first.text
    assert 'href="/docs"' in first.text

    address = enter(platform.url, dashboard["id"], alice.headers)
    with page_kernel(address) as kernel:
        widgets = kernel.widgets()
        assert widgets["IntSliderModel"]["value"] == 5
        assert widgets["LabelModel"]["value"] == "7 rows, 10 is twice 5"
        kernel.set_value(widgets["IntSliderModel"]["id"], 8)
        kernel.wait_for(widgets["LabelModel"]["id"], "7 rows, 16 is twice 8")
        # visitors move widgets; they run nothing of their own
        kernel.send("execute_request", {"code": "1", "silent": False, "store_history": False})
        kernel.set_value(widgets["IntSliderModel"]["id"], 9)
        kernel.wait_for(widgets["LabelModel"]["id"], "7 rows, 18 is twice 9")
        awake = alice.get(f"dashboards/{dashboard['id']}").json()
        assert awake["status"]["phase"] == "ACTIVE"
    wait_phase(alice, dashboard, "ASLEEP")
    wait_until(lambda: not replicas(platform, dashboard), what="nothing of it runs")
    left = httpx.get(address, headers={"Accept": "text/html"}, timeout=60)
    assert left.status_code == 503 and f'data-door="/apps/{dashboard["id"]}/"' in left.text
    told = knock(platform.url, dashboard["id"], alice.headers)
    assert re.search(r"usually takes about (a second|\d+ seconds)", told.text), told.text
    act(alice, dashboard, "stop")
    wait_phase(alice, dashboard, "STOPPED")
    stopped = knock(platform.url, dashboard["id"], alice.headers)
    assert stopped.status_code == 503 and "report is stopped" in stopped.text and "Start it" in stopped.text


def test_it_is_shown_in_an_environment_of_its_own(platform: RunningPlatform, alice: httpx.Client) -> None:
    new: Any = nbformat.v4
    notebook = new.new_notebook(metadata={"kernelspec": KERNEL})
    notebook.cells = [new.new_code_cell("import greeter, ipywidgets\nipywidgets.Label(greeter.WORD)")]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        wheel.writestr("greeter.py", "WORD = 'hello'\n")
        wheel.writestr("greeter-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n")
        wheel.writestr("greeter-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("greeter-1.0.dist-info/RECORD", "")
    contents = {
        "report.ipynb": nbformat.writes(notebook).encode(),  # pyright: ignore[reportUnknownMemberType]
        "requirements.txt": b"./greeter-1.0-py3-none-any.whl\n",
        "greeter-1.0-py3-none-any.whl": packed.getvalue(),
    }

    def stored(only: list[str]) -> list[Any]:
        return [{"path": path, **put_object(alice, contents[path])} for path in only]

    dashboard = publish(alice, "greeting", spec={"files": stored([*contents])})
    with page_kernel(enter(platform.url, dashboard["id"], alice.headers)) as kernel:
        assert kernel.widgets()["LabelModel"]["value"] == "hello"
    lacking = publish(alice, "lacking", spec={"files": stored(["report.ipynb", "requirements.txt"])})
    alice.get(f"dashboards/{lacking['id']}")
    knock(platform.url, lacking["id"], alice.headers)
    failed = wait_phase(alice, lacking, "WAKE_FAILED", seconds=120)
    assert "requirements.txt could not be installed" in failed["status"]["message"]


def replicas(platform: RunningPlatform, dashboard: Any) -> list[int]:
    """Processes of its service, kernels among them."""
    folder = f"{dashboard['id']}-app"
    found: list[int] = []
    for pid in platform.processes():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if f"ORRERY_SERVICE_ID={folder}".encode() in environment:
            found.append(pid)
    return found


def test_only_those_who_may_read_it_get_in(platform: RunningPlatform, alice: httpx.Client) -> None:
    dashboard = publish(alice, "secret")
    wait_phase(alice, dashboard, "ASLEEP")
    url, app = platform.url, dashboard["id"]
    assert httpx.get(f"{url}/apps/{app}/", timeout=60).status_code == 401
    with platform.client("bob", groups=("team",)) as bob, platform.client("carol") as carol:
        refused = knock(url, app, bob.headers)
        assert refused.status_code == 404 and "nothing here for you" in refused.text
        assert knock(url, "dsh_00000000000000000", bob.headers).status_code == 404
        assert alice.get(f"dashboards/{app}").json()["status"]["phase"] == "ASLEEP", "a stranger does not wake it"

        assert alice.patch(f"dashboards/{app}", json={"visibility": "group", "group": "team"}).status_code == 200
        assert knock(url, app, carol.headers).status_code == 404
        for_bob = enter(url, app, bob.headers)
        # what stands in the address he opens counts once, for a minute, and says no more of him than it must
        entrance = bob.post(f"dashboards/{app}/visit").json()["entrance"]
        claims = jwt.decode(entrance.rpartition("~")[2].strip("/"), options={"verify_signature": False})
        assert (claims["sub"], claims["groups"], "admin" in claims) == ("bob", ["team"], False)
        assert claims["exp"] <= time.time() + 60
        exchanged = httpx.get(f"{url}{entrance}", timeout=60)
        assert exchanged.status_code == 302 and exchanged.headers["location"] == f"/apps/{app}/"
        value, *words = exchanged.headers["set-cookie"].split("; ")
        assert value.startswith("orrery-app=") and words == [f"Path=/apps/{app}/", "HttpOnly", "SameSite=Lax"]
        again = httpx.get(f"{url}{entrance}", timeout=60)
        assert again.status_code == 503 and "set-cookie" not in again.headers
        cookie = {"Cookie": value}
        assert httpx.post(f"{url}/apps/{app}/~/keep", headers=cookie, timeout=60).status_code == 204
        assert httpx.post(f"{url}/apps/{app}/~/keep", timeout=60).status_code == 403
        # it opens the page around the app's, of this app; it is no way to the app's own pages, and no token
        assert httpx.get(f"{url}/apps/{app}/", headers={**cookie, "Accept": "text/html"}).status_code == 200
        assert httpx.get(f"{url}/apps/{app}/", headers=cookie).status_code == 401
        assert httpx.get(f"{url}/apps/{app}/~{value.partition('=')[2]}/").status_code == 503
        assert httpx.get(f"{url}/api/v1/auth/whoami", headers=cookie).status_code == 401
        page = httpx.get(for_bob, timeout=120)
        assert page.status_code == 200

        # what the page may do: nothing in the name of who looks at it
        policies = ", ".join(page.headers.get_list("content-security-policy"))
        assert "sandbox allow-scripts" in policies and "allow-same-origin" not in policies
        assert "set-cookie" not in page.headers
        assert page.headers["access-control-allow-origin"] == "*" and page.headers["referrer-policy"] == "no-referrer"
        preflight = {"Origin": "null", "Access-Control-Request-Method": "POST"}
        allowed = httpx.options(f"{for_bob}voila/api/shutdown/x", headers=preflight)
        assert allowed.status_code == 204 and allowed.headers["access-control-allow-headers"] == "*"

        # a pass opens one app, and is no token
        ticket = for_bob.rstrip("/").rpartition("~")[2]
        bearer = {"Authorization": f"Bearer {ticket}"}
        assert httpx.get(f"{url}/api/v1/auth/whoami", headers=bearer, timeout=60).status_code == 401
        other = publish(alice, "other")
        strange = httpx.get(f"{url}/apps/{other['id']}/~{ticket}/", timeout=60)
        assert strange.status_code == 503 and strange.json()["error"]["code"] == "app_asleep"
        assert httpx.get(f"{url}/apps/{app}/~{ticket[:-3]}abc/", timeout=60).status_code == 503
        assert (
            httpx.get(f"{url}/apps/{app}/~{alice.headers['Authorization'].split()[1]}/", timeout=60).status_code == 503
        )
        injected = httpx.get(f"{url}/apps/a%0d%0ax:%20y/~t/", headers={"Accept": "text/html"}, timeout=60)
        assert "x" not in injected.headers

        # whoever is shut out is shut out at once, whatever they hold
        assert alice.patch(f"dashboards/{app}", json={"visibility": "private"}).status_code == 200
        wait_until(lambda: httpx.get(for_bob, timeout=60).status_code == 503, what="the pass is worth nothing")
        shut_out = httpx.get(f"{url}/apps/{app}/", headers={**cookie, "Accept": "text/html"})
        assert shut_out.status_code == 401, "the cookie neither"
        assert alice.patch(f"dashboards/{app}", json={"visibility": "public"}).status_code == 200
        assert httpx.get(enter(url, app, carol.headers), timeout=120).status_code == 200
        carols = carol.post(f"dashboards/{app}/sleep")
        assert carols.status_code == 403, "who may visit may not put it to sleep"
    act(alice, dashboard, "stop")


def test_it_outlives_the_platform_which_may_be_killed_at_any_time(
    platform: RunningPlatform, alice: httpx.Client
) -> None:
    dashboard = publish(alice, "survivor", spec={"idle_minutes": 60})
    wait_phase(alice, dashboard, "ASLEEP")
    assert knock(platform.url, dashboard["id"], alice.headers).status_code == 202
    platform.kill()  # while it wakes
    platform.start()
    address = enter(platform.url, dashboard["id"], alice.headers)
    before = replicas(platform, dashboard)
    with page_kernel(address) as kernel:
        widgets = kernel.widgets()
        platform.kill()  # while it is awake, with somebody there
        kernel.set_value(widgets["IntSliderModel"]["id"], 4)
        kernel.wait_for(widgets["LabelModel"]["id"], "0 rows, 8 is twice 4")
        platform.start()
        kernel.set_value(widgets["IntSliderModel"]["id"], 6)
        kernel.wait_for(widgets["LabelModel"]["id"], "0 rows, 12 is twice 6")
        wait_phase(alice, dashboard, "ACTIVE")
        assert set(before) <= set(replicas(platform, dashboard)), "the same processes serve on"
    act(alice, dashboard, "sleep")
    platform.kill()  # while it falls asleep
    platform.start()
    wait_phase(alice, dashboard, "ASLEEP")
    wait_until(lambda: not replicas(platform, dashboard), what="nothing of it runs")
    address = enter(platform.url, dashboard["id"], alice.headers)
    platform.stop()  # what is shut down in order sleeps
    assert not replicas(platform, dashboard)
    platform.start()
    wait_phase(alice, dashboard, "ASLEEP")
    headers = {"Accept": "text/html"}
    door = f'data-door="/apps/{dashboard["id"]}/'
    wait_until(lambda: door in httpx.get(address, headers=headers, timeout=60).text, what="it leads to the door")


def test_what_cannot_start_says_why_and_is_tried_again_when_asked(
    platform: RunningPlatform, alice: httpx.Client
) -> None:
    dashboard = publish(alice, "broken", spec={"files": broken_files(alice)})
    wait_phase(alice, dashboard, "ASLEEP")
    knock(platform.url, dashboard["id"], alice.headers)
    failed = wait_phase(alice, dashboard, "WAKE_FAILED", seconds=120)
    assert "Unsupported nbformat version four" in failed["status"]["message"]
    page = knock(platform.url, dashboard["id"], alice.headers)
    assert page.status_code == 503 and "broken could not start" in page.text
    assert (
        "Unsupported nbformat version four" in page.text
        and 'href="?again=1"' in page.text
        and "refresh" not in page.text
    )
    wait_until(lambda: not replicas(platform, dashboard), what="nothing of it runs")
    retried = knock(platform.url, dashboard["id"], alice.headers, "?again=1")
    assert retried.status_code == 303 and retried.headers["location"] == f"/apps/{dashboard['id']}/"
    assert "waking up" in knock(platform.url, dashboard["id"], alice.headers).text
    stored = put_object(alice, slider_notebook())
    files = [{"path": "report.ipynb", "oid": stored["oid"], "size": stored["size"]}]
    assert alice.patch(f"dashboards/{dashboard['id']}", json={"spec": {"files": files}}).status_code == 200
    assert httpx.get(enter(platform.url, dashboard["id"], alice.headers), timeout=120).status_code == 200
    act(alice, dashboard, "stop")


def broken_files(client: httpx.Client) -> list[dict[str, Any]]:
    """A notebook whose cells nbformat does not read, though it is JSON."""
    stored = put_object(client, b'{"cells": [], "nbformat": "four", "metadata": {}}')
    return [{"path": "report.ipynb", "oid": stored["oid"], "size": stored["size"]}]


@pytest.mark.parametrize(
    ("content", "spec", "words"),
    [
        (b"print(1)", {}, "is not a Jupyter notebook"),
        (b'{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}', {}, "is written in R"),
        (b'{"cells": [], "metadata": {}}', {"parameters": {"x": 1}}, "no cell tagged 'parameters'"),
        (None, {"parameters": {"rounds": "many"}}, "rounds"),
        (None, {"parameters": {"import": 1}}, "no name of a Python variable"),
        (None, {"entry_point": "other.ipynb"}, "is not among the files"),
        (None, {"datasets": {"train": "nothing"}}, "nothing"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_the_reason(
    alice: httpx.Client, content: bytes | None, spec: dict[str, Any], words: str
) -> None:
    stored = put_object(alice, content or slider_notebook())
    files = [{"path": "report.ipynb", "oid": stored["oid"], "size": stored["size"]}]
    answer = alice.post("dashboards", json={"name": "refused", "spec": {"files": files, **spec}})
    assert answer.status_code == 422 and words in answer.json()["error"]["message"], answer.text


def test_through_a_jupyter_server_with_nothing_of_its_log_in_passed_on(tmp_path: Path) -> None:
    home = tmp_path / "h"
    with RunningPlatform(home) as platform, jupyter_lab(home, tmp_path / "lab") as jupyter:
        with platform.client() as owner:
            dashboard = publish(owner, "inside")
        headers = {"Authorization": f"token {jupyter.token}"}
        waiting = knock(jupyter.orrery, dashboard["id"], headers)
        assert waiting.status_code == 202 and 'href="/lab"' in waiting.text
        address = enter(jupyter.orrery, dashboard["id"], headers)
        assert address.startswith(f"{jupyter.orrery}/apps/{dashboard['id']}/~")
        page = httpx.get(address, timeout=120)
        assert f'"baseUrl": "{httpx.URL(address).path}"' in page.text
        with page_kernel(address) as kernel:
            widgets = kernel.widgets()
            kernel.set_value(widgets["IntSliderModel"]["id"], 21)
            kernel.wait_for(widgets["LabelModel"]["id"], "0 rows, 42 is twice 21")
        forged = address.replace("~", "~x", 1)
        with pytest.raises(InvalidStatus) as refused, page_kernel_socket(forged):
            pass
        assert refused.value.response.status_code == 503
        assert httpx.get(f"{jupyter.orrery}/apps/{dashboard['id']}/", timeout=30).status_code == 403


def page_kernel_socket(address: str) -> Any:
    from websockets.sync.client import connect

    return connect(f"{address.replace('http', 'ws', 1)}api/kernels/x/channels")
