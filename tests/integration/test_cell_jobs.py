"""`%%job` in a real kernel: its cell runs on a real platform, with the kernel's variables."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from orrery import Client
from orrery.client.cell_jobs import stop_and_say
from orrery.client.transport import Patience
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until


@dataclass
class Shown:
    """What a cell left in the notebook."""

    stdout: str = ""
    stderr: str = ""
    displays: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    error: str = ""

    def take(self, message: dict[str, Any]) -> None:
        content = message["content"]
        match message["msg_type"]:
            case "stream":
                setattr(self, content["name"], getattr(self, content["name"]) + content["text"])
            case "display_data" | "execute_result":
                self.displays.append(content["data"])
            case "error":
                self.error = "\n".join(content["traceback"])
            case _:
                pass


@dataclass
class Notebook:
    client: BlockingKernelClient
    #: the kernel's
    process: int

    def run(self, cell: str) -> Shown:
        shown = Shown()
        self.client.execute_interactive(cell, output_hook=shown.take, timeout=120)
        return shown


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with RunningPlatform(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="module")
def notebook(platform: RunningPlatform, folder: Path) -> Iterator[Notebook]:
    found = platform.announcement
    (folder / "helper.py").write_text("def doubled(value):\n    return value * 2\n")
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(
        cwd=str(folder), env={**os.environ, "ORRERY_URL": found["url"], "ORRERY_TOKEN": found["token"]}
    )
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        process: Any = manager.provisioner
        notebook = Notebook(client, process.pid)
        yield notebook
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


def test_kernels_of_orrerys_environment_know_the_magic_and_others_can_load_it(notebook: Notebook) -> None:
    assert notebook.run("print(get_ipython().find_cell_magic('job') is not None)").stdout == "True\n"
    shown = notebook.run("%load_ext orrery")
    assert shown.error == "" and "already loaded" in shown.stdout


def test_a_cell_runs_as_a_job_with_the_variables_it_reads_and_gives_back_those_it_assigns(
    notebook: Notebook, client: Client
) -> None:
    assert (
        notebook.run(
            "import numpy as np, os, threading\nfrom helper import doubled\n"
            "rate, unread, rows = 0.5, threading.Lock(), np.arange(100_000)\n"
            "class Model:\n    def fit(self, x):\n        self.weight = float(x.sum()) * rate\n        return self"
        ).error
        == ""
    )
    shown = notebook.run(
        "%%job --name fitted -p rate=2\n"
        "model = Model().fit(rows); where = os.environ['ORRERY_TRAINING']; lock = threading.Lock()\n"
        "print('fitting', doubled(rate))\n{'weight': model.weight}"
    )
    assert shown.error == "" and "fitting 4\n" in shown.stdout, shown
    assert "cpu-small" in shown.stderr
    assert "lock (_thread.lock) stays in the job" in shown.stderr
    weight = float(sum(range(100_000))) * 2
    assert shown.displays[-1]["text/plain"] == str({"weight": weight})
    told = notebook.run("print(where, model.weight, type(model) is Model, rate)").stdout
    assert told == f"fitted {weight} True 0.5\n"
    assert client.trainings.get("fitted").status.phase == "COMPLETE"


def test_on_several_nodes_each_runs_the_cell_and_the_first_ones_variables_come_back(notebook: Notebook) -> None:
    shown = notebook.run("%%job --nodes 2\nimport os\nrank = os.environ['RANK']\nprint('here is', rank)")
    assert shown.error == ""
    assert "[rank 0] here is 0\n" in shown.stdout and "[rank 1] here is 1\n" in shown.stdout
    assert notebook.run("print(rank)").stdout == "0\n"


def test_a_cell_is_sent_for_later(notebook: Notebook, client: Client) -> None:
    shown = notebook.run("%%job --no-wait --name later --start-after 2h --priority low\nlate = 1")
    assert shown.error == ""
    sent = client.trainings.get("later")
    assert sent.spec["priority"] == "LOW"
    wait_until(lambda: sent.refresh().status.reason == "starts_later", what="the reason why it waits")
    sent.stop().wait(progress=False)


def test_an_error_shows_the_jobs_traceback(notebook: Notebook) -> None:
    shown = notebook.run("%%job --name broken\ndef inner():\n    return 1 / 0\ninner()")
    assert "return 1 / 0" in shown.stdout and "inner()" in shown.stdout
    assert shown.error.startswith("job ")
    assert shown.error.endswith("broken failed: ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%%job --instance nope\n1", "instance type 'nope'"),
        ("%%job --nodes x\n1", "%%job: argument --nodes: invalid int value: 'x'"),
        ("%%job --name 'a\n1", "%%job --name 'a: no closing quotation; close it"),
        ("%%job\n1 +", "the cell is not Python: invalid syntax in its line 2"),
        ("%job nobody", "'nobody' does not exist, or you may not see it"),
    ],
)
def test_what_is_refused_is_one_sentence_and_the_cell_has_failed(notebook: Notebook, cell: str, said: str) -> None:
    shown = notebook.run(cell)
    assert said in shown.error
    assert len(shown.error.splitlines()) == 1, shown.error
    assert "Traceback" not in shown.error + shown.stderr


def test_what_cannot_be_sent_is_said_before_anything_is_sent(notebook: Notebook, client: Client) -> None:
    notebook.run("import threading\nguard = threading.Lock()\n")
    shown = notebook.run("%%job --name unsent\nwith guard:\n    pass")
    assert "the cell reads 'guard' (_thread.lock), which cannot be sent" in shown.error
    assert "unrecognized arguments: --instnce" in notebook.run("%%job --instnce x\n1").error
    assert not [one for one in client.trainings.list() if one.name == "unsent"]


def test_what_cannot_be_brought_back_is_named_and_the_rest_comes(notebook: Notebook) -> None:
    notebook.run("guard = 'of the kernel'; number = 0; stream = None; held = None")
    cell = """%%job --name kept-there
import threading
number = 7
guard = threading.Lock()
stream = (one for one in range(3))
held = {"deep": [open("/dev/null")]}
"""
    shown = notebook.run(cell)
    assert shown.error == "", shown.error
    told = shown.stderr.splitlines()
    for name, kind in (("guard", "_thread.lock"), ("stream", "generator"), ("held", "dict")):
        (line,) = [one for one in told if one.startswith(f"{name} ({kind}) stays in the job: ")]
        assert line.endswith(f"; {name} here is what it was before"), line
    assert notebook.run("print(number, guard, stream, held)").stdout == "7 of the kernel None None\n"
    shown = notebook.run("%%job --name never-there\nimport threading\nfresh = threading.Lock()")
    assert "make of it in the cell what can be saved" in shown.stderr and "here is what" not in shown.stderr


def test_what_is_too_large_to_be_brought_back_is_named(notebook: Notebook) -> None:
    shown = notebook.run("%%job --name too-large\nimport numpy\nsmall, huge = 3, numpy.ones(140_000_000)")
    assert shown.error == "", shown.error
    assert "huge (numpy.ndarray) stays in the job: " in shown.stderr and "1 GiB" in shown.stderr, shown.stderr
    assert notebook.run("print(small)").stdout == "3\n"


def test_an_interrupt_stops_the_job(notebook: Notebook, client: Client) -> None:
    def interrupt_once_it_runs() -> None:
        wait_until(lambda: [one for one in client.trainings.list() if one.name == "endless"], what="the job")
        wait_until(lambda: "begun" in list(client.trainings.get("endless").logs()), what="the job's output")
        os.kill(notebook.process, signal.SIGINT)

    thread = threading.Thread(target=interrupt_once_it_runs)
    thread.start()
    shown = notebook.run("%%job --name endless\nprint('begun')\nwhile True: pass")
    thread.join()
    assert "KeyboardInterrupt" in shown.error and "endless was stopped" in shown.stderr
    assert client.trainings.get("endless").status.phase == "STOPPED"


def test_an_interrupt_whose_stop_comes_too_late_or_nowhere_says_what_to_do(
    notebook: Notebook, client: Client, platform: RunningPlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    assert notebook.run("%%job --name over\n1").error == ""
    stop_and_say(client.trainings.get("over"))
    assert "over had ended already; take its variables with: %job over" in capsys.readouterr().err
    with Client(platform.url, platform.announcement["token"], patience=Patience(refused_seconds=0.1)) as hurried:
        training = hurried.trainings.get("over")
        training.client.transport.platform = replace(training.client.transport.platform, url="http://127.0.0.1:9")
        stop_and_say(training)
    told = capsys.readouterr().err
    assert "has stopped is not known (no platform answers at" in told and "orrery stop training over" in told


def test_a_job_can_be_sent_and_its_variables_taken_later(notebook: Notebook) -> None:
    notebook.run("later = None; base = 20")
    shown = notebook.run("%%job --name deferred --no-wait\nlater = base + 1\nprint('computed')")
    assert shown.error == "" and "%job deferred" in shown.stdout
    assert notebook.run("print(later)").stdout == "None\n"
    assert "computed" in notebook.run("%job deferred").stdout
    assert notebook.run("print(later)").stdout == "21\n"
