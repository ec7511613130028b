"""A real JupyterLab server with the extension: the proxy, and the platform that it starts and keeps."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from orrery.testing.jupyter import Jupyter, jupyter_lab
from orrery.testing.kernels import run_in_kernel
from orrery.testing.processes import is_running, stop
from orrery.testing.waiting import wait_until

MEBIBYTE = 1 << 20
UPSTREAM = Path(__file__).with_name("echo_platform.py")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def jupyter(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    command = [sys.executable, str(UPSTREAM), str(shared)]
    with jupyter_lab(shared, tmp_path_factory.mktemp("lab"), command=command) as server:
        yield server


@pytest.fixture
def client(jupyter: Jupyter) -> Iterator[httpx.Client]:
    with jupyter.client() as client:
        yield client


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def started(home: Path) -> int:
    """The process that the extension says to have started."""
    return int(json.loads((home / "run" / "jupyter-child.json").read_text())["pid"])


def test_a_request_reaches_the_platform_as_its_own_user(client: httpx.Client, jupyter: Jupyter) -> None:
    answer = client.post("/orrery/echo/a%2Fb?q=1", content=b"body", headers={"Idempotency-Key": "k"})
    assert answer.status_code == 200
    seen = answer.json()
    assert (seen["method"], seen["uri"], seen["body"]) == ("POST", "/echo/a%2Fb?q=1", "body")
    assert seen["headers"]["Authorization"] == "Bearer private"
    assert seen["headers"]["Idempotency-Key"] == "k"
    assert jupyter.token not in json.dumps(seen)
    assert answer.headers.get_list("link") == ["<a>", "<b>"]
    assert "platform=secret" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_is_passed_on(client: httpx.Client, method: str) -> None:
    assert client.request(method, "/orrery/echo").json()["method"] == method


def test_a_stranger_is_refused_before_anything_is_passed_on(jupyter: Jupyter) -> None:
    answer = httpx.get(f"{jupyter.orrery}/echo", trust_env=False, timeout=60)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden"


def test_a_stranger_opening_a_page_is_sent_to_the_login(jupyter: Jupyter) -> None:
    answer = httpx.get(f"{jupyter.orrery}/mlflow/", headers={"Accept": "text/html"}, trust_env=False, timeout=60)
    assert answer.status_code == 302
    assert "/login?next=" in answer.headers["location"]


def test_a_browser_needs_its_xsrf_token_to_change_anything(jupyter: Jupyter) -> None:
    with httpx.Client(base_url=jupyter.url, trust_env=False, timeout=60) as browser:
        browser.get("/lab", params={"token": jupyter.token})
        assert browser.get("/orrery/echo").status_code == 200
        refused = browser.post("/orrery/echo", content=b"x")
        assert refused.status_code == 403
        assert "_xsrf" in refused.json()["error"]["message"]
        allowed = browser.post("/orrery/echo", content=b"x", headers={"X-XSRFToken": browser.cookies["_xsrf"]})
        assert allowed.status_code == 200


def test_a_large_upload_is_streamed_and_never_held(client: httpx.Client, jupyter: Jupyter) -> None:
    block, count = os.urandom(MEBIBYTE), 768
    client.get("/orrery/echo")
    before = resident_bytes(jupyter.process.pid)
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(block)
    headers = {"Content-Length": str(count * MEBIBYTE)}
    answer = client.put("/orrery/upload", content=(block for _ in range(count)), headers=headers, timeout=120)
    assert answer.json() == {"size": count * MEBIBYTE, "sha256": digest.hexdigest()}
    assert resident_bytes(jupyter.process.pid) - before < 32 * MEBIBYTE


def test_a_body_of_unknown_length_is_passed_on_whole(client: httpx.Client) -> None:
    block = b"x" * 1000
    answer = client.put("/orrery/upload", content=(block for _ in range(300)))
    assert answer.json() == {"size": 300_000, "sha256": hashlib.sha256(block * 300).hexdigest()}


def test_an_answer_that_comes_before_the_body_has_ended_is_seen(client: httpx.Client) -> None:
    answer = client.put("/orrery/upload?early", content=b"x" * 4 * MEBIBYTE)
    assert (answer.status_code, answer.text) == (413, "no")


def test_a_download_waits_for_a_slow_reader(client: httpx.Client, shared: Path, jupyter: Jupyter) -> None:
    size = 256 * MEBIBYTE
    before = resident_bytes(jupyter.process.pid)
    with client.stream("GET", "/orrery/download", params={"size": size}, timeout=120) as answer:
        assert answer.headers["content-length"] == str(size)
        pieces = answer.iter_raw(MEBIBYTE)
        received = len(next(pieces))
        stalled = wait_until(lambda: steady(shared / "sent"), what="the sender stalls")
        assert stalled < 64 * MEBIBYTE
        received += sum(len(piece) for piece in pieces)
    assert received == size
    assert resident_bytes(jupyter.process.pid) - before < 32 * MEBIBYTE


def steady(path: Path, checks: int = 5) -> int | None:
    """The number in a file once it has stopped to change."""
    seen = [wait_until(lambda: (path.exists() and path.read_text()) or None, what=f"{path} is written")]
    for _ in range(checks):
        try:
            wait_until(lambda: path.read_text() != seen[-1], what="a change", seconds=0.1)
        except AssertionError:
            continue
        return None
    return int(seen[-1])


def test_events_arrive_one_by_one_and_an_abandoned_stream_is_closed(client: httpx.Client, shared: Path) -> None:
    events = shared / "events"
    with client.stream("GET", "/orrery/events", headers={"Accept": "text/event-stream"}) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = (line for line in answer.iter_lines() if line)
        for word in ("one", "two", "three"):
            with events.open("a") as file:
                file.write(f"{word}\n")
            assert next(lines) == f"data: {word}"
    wait_until((shared / "gone").exists, what="the platform sees that nobody listens")


def test_an_answer_that_is_cut_off_is_not_taken_for_a_whole_one(client: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/orrery/cut")


def test_a_redirect_leads_back_through_the_proxy(client: httpx.Client) -> None:
    assert client.get("/orrery/redirect").headers["location"] == "/orrery/echo/there"


def test_the_status_names_the_platform(client: httpx.Client, jupyter: Jupyter) -> None:
    client.get("/orrery/echo")
    status = jupyter.status()
    assert (status["mode"], status["state"], status["version"]) == ("local", "running", "9.9")
    assert "private" not in json.dumps(status)


def test_a_platform_that_dies_is_started_again(client: httpx.Client, shared: Path) -> None:
    client.get("/orrery/echo")
    first = started(shared)
    lost = client.post("/orrery/die")
    assert (lost.status_code, lost.json()["error"]["code"]) == (503, "unavailable")
    assert lost.headers["retry-after"] == "1"
    wait_until(lambda: client.get("/orrery/echo").is_success, what="it answers again")
    assert started(shared) != first


def test_two_servers_share_one_platform_and_the_last_one_stops_it(home: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(UPSTREAM), str(home)]
    with jupyter_lab(home, tmp_path / "a", command=command) as first, first.client() as one:
        assert one.get("/orrery/echo").is_success
        pid = started(home)
        with jupyter_lab(home, tmp_path / "b", command=command) as second, second.client() as two:
            assert two.get("/orrery/echo").is_success
            assert started(home) == pid
            stop(first.process)
            assert is_running(pid)
            assert two.get("/orrery/echo").is_success
    wait_until(lambda: not is_running(pid), what="the platform ends with the last server")


def test_a_platform_outlives_a_killed_server_and_is_adopted_by_the_next(home: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(UPSTREAM), str(home)]
    with jupyter_lab(home, tmp_path / "a", command=command) as first:
        with first.client() as client:
            assert client.get("/orrery/echo").is_success
        pid = started(home)
        stop(first.process, signal.SIGKILL)
    with jupyter_lab(home, tmp_path / "b", command=command) as second, second.client() as client:
        assert client.get("/orrery/echo").is_success
        assert started(home) == pid
    wait_until(lambda: not is_running(pid), what="the platform ends with the server that adopted it")


def refusal(client: httpx.Client) -> httpx.Response | None:
    answer = client.get("/orrery/echo")
    return answer if answer.status_code == 503 else None


def test_a_platform_that_cannot_start_says_why(home: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('the disk is on fire')"]
    with jupyter_lab(home, tmp_path / "lab", command=command) as server, server.client() as client:
        answer = wait_until(lambda: refusal(client), what="the request is refused")
        assert "the disk is on fire" in answer.json()["error"]["message"]
        assert str(home / "logs" / "platform.log") in answer.json()["error"]["message"]
        assert server.status()["state"] == "failed"


def test_jupyter_lab_alone_brings_the_real_platform_to_its_notebooks(home: Path, tmp_path: Path) -> None:
    with jupyter_lab(home, tmp_path / "lab") as server, closing(server.browser()) as browser:
        whoami = browser.get("/orrery/api/v1/auth/whoami", timeout=60)
        assert whoami.status_code == 200, whoami.text
        assert whoami.json()["mode"] == "local"
        code = "import orrery; print(orrery.Client().whoami()['name'])"
        assert run_in_kernel(browser, "/", code).strip() == whoami.json()["name"]
        pid = started(home)
    wait_until(lambda: not is_running(pid), what="the platform ends with Jupyter")
