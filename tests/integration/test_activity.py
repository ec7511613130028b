"""What a real Jupyter server finds of its own use: real kernels, terminals and processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_client.manager import AsyncKernelManager
from websockets.sync.client import connect

from orrery.errors import Invalid
from orrery.extension.activity.processes import ProcessTable
from orrery.extension.activity.variables import NAMESPACE, VariableStore, ask
from orrery.extension.activity.volume import Volume
from orrery.extension.activity.watch import SAMPLE_SECONDS
from orrery.testing.jupyter import Jupyter, jupyter_lab
from orrery.testing.kernels import make_request
from orrery.testing.waiting import wait_until


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    folder = tmp_path_factory.mktemp("activity")
    # no platform is needed, and none is to be started
    refused = [sys.executable, "-c", "raise SystemExit(1)"]
    with jupyter_lab(folder / "home", folder / "work", command=refused) as found:
        yield found


@pytest.fixture
def client(lab: Jupyter) -> Iterator[httpx.Client]:
    with lab.client() as client:
        yield client


MADE = """
import sqlite3
numbers = [1, 2]
same = numbers
conn = sqlite3.connect(":memory:")
big = b"x" * (2 << 20)
"""
BURN = "while True: burning = 12345"


def activity(client: httpx.Client) -> Any:
    answer = client.get("/orrery-extension/activity")
    answer.raise_for_status()
    return answer.json()


def use_when(client: httpx.Client, what: str) -> Any:
    """The use once it says `what`."""

    def said() -> Any:
        use = activity(client)["use"]
        return use if use is not None and what in use["because"] else None

    return wait_until(said, seconds=60, what=f"{what!r} is said")


def test_the_server_tells_what_it_uses_and_is_idle_while_nothing_is_done(client: httpx.Client) -> None:
    def sampled() -> Any:
        answer = activity(client)
        return answer if answer["figures"] and answer["figures"]["cores"] is not None else None

    found = wait_until(sampled, what="two samples")
    assert found["use"]["idle_since"] is not None
    assert found["notebook_id"] is None
    figures = found["figures"]
    assert 20 << 20 < figures["memory_bytes"] < figures["memory_total_bytes"]
    assert figures["disk_bytes"] > 0
    assert 0 <= figures["cores"] <= figures["cores_total"]


def test_a_command_in_a_terminal_is_seen_and_what_watches_is_not(client: httpx.Client) -> None:
    name = client.post("/api/terminals").json()["name"]
    headers = {"Authorization": client.headers["Authorization"]}
    address = f"{websocket_url(client)}/terminals/websocket/{name}"
    with connect(address, additional_headers=headers, proxy=None) as terminal:
        terminal.send(json.dumps(["stdin", "sleep 600\r"]))
        wait_until(lambda: activity(client)["use"], what="a sample")
        terminal.send(json.dumps(["stdin", "\x03"]))
        # a terminal forgets what was typed before it has heard that
        while "^C" not in str(terminal.recv(timeout=60)):
            pass
        terminal.send(json.dumps(["stdin", f"{sys.executable} -c 'import time; time.sleep(600)'\r"]))
        use = use_when(client, f"terminal {name} runs python")
        assert use["idle_since"] is None
        terminal.send(json.dumps(["stdin", "\x03"]))
        use = use_when(client, f"terminal {name} printed something")
        assert use["idle_since"] is not None
    client.delete(f"/api/terminals/{name}").raise_for_status()


def test_a_script_that_detached_itself_is_work_for_as_long_as_it_computes(client: httpx.Client, lab: Jupyter) -> None:
    """It has left its parent and its session: only the mark in its environment tells whose it is."""
    kernel = client.post("/api/kernels", json={}).json()["id"]
    burn = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{BURN}'], start_new_session=True)"
    printed = execute(client, kernel, f"{burn}; print('started')")
    assert printed == "started\n"
    client.delete(f"/api/kernels/{kernel}").raise_for_status()
    try:
        use = use_when(client, "in the background")
        assert use["idle_since"] is None
    finally:
        for pid in pids_of(BURN):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: activity(client)["use"]["idle_since"], seconds=90, what="it is idle afterwards")


def test_a_kernel_is_busy_while_its_cell_runs_and_while_its_thread_computes(client: httpx.Client) -> None:
    session = new_session(client, "busy.ipynb")
    kernel = session["kernel"]["id"]
    execute(client, kernel, "import threading, time; going = True")
    sending = sent(client, kernel, "time.sleep(12)")
    assert use_when(client, "kernel busy.ipynb runs a cell")["idle_since"] is None
    sending.wait()
    code = "threading.Thread(target=lambda: [None for _ in iter(lambda: going, False)], daemon=True).start()"
    execute(client, kernel, code)
    use = use_when(client, "kernel busy.ipynb uses")
    assert "without running a cell" in use["because"]
    execute(client, kernel, "going = False")
    wait_until(lambda: activity(client)["use"]["idle_since"], seconds=90, what="it is idle afterwards")
    client.delete(f"/api/sessions/{session['id']}").raise_for_status()


def test_variables_are_saved_silently_and_loaded_into_the_next_kernel(lab: Jupyter, tmp_path: Path) -> None:
    """Through the store itself, with a real kernel; a file that others may read is not loaded."""
    asyncio.run(save_and_load(tmp_path))


async def save_and_load(folder: Path) -> None:
    store = VariableStore(folder, limit_bytes=1 << 20, limit_seconds=20)
    first = await started_kernel()
    try:
        await ask(first, MADE, "None", 20)
        saved = await store.save(first, "k1", "folder/a.ipynb")
        assert set(saved.variables) >= {"numbers", "same"}
        assert {unsaved.name for unsaved in saved.unsaved} == {"conn", "big"}
        # it left no trace in the person's history
        assert await ask(first, "pass", "get_ipython().execution_count", 20) == "1"
    finally:
        await first.shutdown_kernel(now=True)
    assert store.find("folder/b.ipynb") is None
    second = await started_kernel()
    try:
        assert set(await store.load(second, "folder/a.ipynb")) == set(saved.variables)
        assert await ask(second, "same.append(3)", "numbers", 20) == "[1, 2, 3]"
    finally:
        await second.shutdown_kernel(now=True)
    namespace = store.place("folder/a.ipynb") / NAMESPACE
    namespace.chmod(0o640)
    with pytest.raises(Invalid, match="not this account's alone"):
        await store.load(second, "folder/a.ipynb")
    namespace.unlink()
    namespace.symlink_to(tmp_target := folder / "elsewhere")
    tmp_target.touch(mode=0o600)
    with pytest.raises(Invalid, match="not this account's alone"):
        await store.load(second, "folder/a.ipynb")


async def started_kernel() -> AsyncKernelManager:
    kernel = AsyncKernelManager(kernel_name="python3")
    await kernel.start_kernel()
    return kernel


def test_a_folder_is_added_up_piece_by_piece_and_hard_links_once(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"{number}.bin").write_bytes(b"x" * 8192)
    (tmp_path / "again.bin").hardlink_to(tmp_path / "0.bin")
    volume = Volume(tmp_path, quota_bytes=1 << 20)
    reading = volume.read(0.0)
    assert reading.used_bytes is not None
    assert 50 * 8192 <= reading.used_bytes < 51 * 8192
    assert reading.total_bytes == 1 << 20
    (tmp_path / "more.bin").write_bytes(b"x" * 8192)
    assert volume.read(10.0).used_bytes == reading.used_bytes
    later = volume.read(400.0).used_bytes
    assert later is not None
    assert later > reading.used_bytes


def test_sampling_costs_less_than_a_hundredth_of_a_core() -> None:
    table = ProcessTable(os.getpid(), "nobody")
    table.read(0.0, ())
    before = time.process_time()
    for turn in range(20):
        table.read(1.0 + turn, ())
    assert (time.process_time() - before) / 20 / SAMPLE_SECONDS < 0.01


def new_session(client: httpx.Client, path: str) -> Any:
    body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
    answer = client.post("/api/sessions", json=body)
    answer.raise_for_status()
    return answer.json()


def websocket_url(client: httpx.Client) -> str:
    return str(client.base_url).rstrip("/").replace("http", "ws", 1)


class Sent:
    """A cell that was sent to a kernel, and what it prints."""

    def __init__(self, client: httpx.Client, kernel: str, code: str) -> None:
        address = f"{websocket_url(client)}/api/kernels/{kernel}/channels"
        headers = {"Authorization": client.headers["Authorization"]}
        self.channels = connect(address, additional_headers=headers, proxy=None, legacy=True)
        self.request = make_request(code)
        self.channels.send(json.dumps(self.request))

    def wait(self) -> str:
        printed: list[str] = []
        with self.channels:
            while True:
                message = json.loads(self.channels.recv(timeout=60))
                if message["parent_header"].get("msg_id") != self.request["header"]["msg_id"]:
                    continue
                content = message["content"]
                if message["msg_type"] == "stream":
                    printed.append(content["text"])
                assert message["msg_type"] != "error", content
                if message["msg_type"] == "status" and content["execution_state"] == "idle":
                    return "".join(printed)


def sent(client: httpx.Client, kernel: str, code: str) -> Sent:
    return Sent(client, kernel, code)


def execute(client: httpx.Client, kernel: str, code: str) -> str:
    return Sent(client, kernel, code).wait()


def pids_of(word: str) -> list[int]:
    found: list[int] = []
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            try:
                command = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in command:
                found.append(int(name))
    return found
