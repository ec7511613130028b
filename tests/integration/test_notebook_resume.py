"""A notebook job that is cut off goes on in the cell where it was, with the variables that it had."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from orrery.jobs.state import State, read_state
from orrery.testing.algorithms import FinishedJob, run_job
from orrery.testing.waiting import wait_until

SAVES = {"ORRERY_STATE_BYTES": str(1 << 30)}
KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
#: what each of nine cells does; the seventh is cut off where a file `cut` is there
NINE = [
    "import random, numpy as np, pandas as pd\nfrom dataclasses import dataclass\nprint('cell 1 runs')",
    "random.seed(4); np.random.seed(5); generator = np.random.default_rng(6)\ndraws = [random.random()]",
    "@dataclass\nclass Point:\n    x: float\n    def moved(self):\n        return Point(self.x + step)\nstep = 2.0",
    "point = Point(1.0); alias = point; points = [point]\ntable = pd.DataFrame({'a': range(5)})",
    "big = np.arange(1_000_000.0); big[0] = 7\ndef total():\n    return big.sum() + step",
    "draws.append(float(generator.random())); draws.append(float(np.random.rand())); count = 6",
    "cut()\npoint.x += count; draws.append(random.random())",
    "step = 10.0; big[1] = total()\ndraws.append(float(generator.random())); draws.append(np.random.rand())",
    "print(draws, alias.moved(), points[0] is point, type(point) is Point)\nbig[:3].sum() + table.a.sum()",
]


def write_notebook(folder: Path, cells: Sequence[str]) -> None:
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [
            {"cell_type": "code", "id": f"c{place}", "metadata": {}, "source": source}
            | {"outputs": [], "execution_count": None}
            for place, source in enumerate(cells)
        ],
    }
    (folder / "work").mkdir(parents=True, exist_ok=True)
    (folder / "work" / "input.ipynb").write_text(json.dumps(document))


def run(folder: Path, cells: Sequence[str], environment: Mapping[str, str] = SAVES) -> FinishedJob:
    write_notebook(folder, cells)
    return run_job(folder, {"type": "notebook"}, environment)


def resume(earlier: FinishedJob, folder: Path, cells: Sequence[str]) -> FinishedJob:
    shutil.copytree(earlier.work / "kernel_state", folder / "work" / "kernel_state")
    return run(folder, cells)


def state_of(job: FinishedJob) -> State:
    return read_state(json.loads((job.work / "kernel_state" / "state.json").read_text()))


def executed(job: FinishedJob) -> list[dict[str, Any]]:
    return json.loads((job.work / "output.ipynb").read_text())["cells"]


def with_seventh(line: str) -> list[str]:
    return [cell.replace("cut()\n", line) for cell in NINE]


def test_a_kernel_killed_in_cell_7_of_9_goes_on_there_to_the_same_result(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", with_seventh(""))
    assert whole.code == 0, whole.log
    assert not (whole.work / "kernel_state").exists()  # nothing is left to go on from

    cut = run(tmp_path / "cut", with_seventh(f"{KILL}\n"))
    assert cut.error["code"] == "kernel_died"
    assert (state_of(cut).cell, state_of(cut).cells, state_of(cut).unsaved) == (7, 9, ())
    assert "cell 7 of 9" in executed(cut)[0]["source"][0]

    resumed = resume(cut, tmp_path / "resumed", with_seventh(""))
    assert resumed.code == 0, resumed.log
    assert "cell 1 runs" in cut.log and "cell 1 runs" not in resumed.log
    assert resumed.log == whole.log.removeprefix("cell 1 runs\n") != ""
    told = [(cell["execution_count"], cell["outputs"]) for cell in executed(resumed)]
    assert told == [(cell["execution_count"], cell["outputs"]) for cell in executed(whole)]


def test_the_whole_job_killed_leaves_as_much(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    write_notebook(folder, with_seventh("open('here', 'w').close()\nwhile True: pass\n"))
    (folder / "job.json").write_text(json.dumps({"id": "j", "program": {"type": "notebook"}, "environment": SAVES}))
    command = [sys.executable, "-P", "-m", "orrery.jobs.run", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0) as process:
        try:
            wait_until((folder / "work" / "here").exists, what="the seventh cell")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    resumed = resume(FinishedJob(folder, -9, ""), tmp_path / "resumed", with_seventh(""))
    assert resumed.code == 0, resumed.log
    assert "cell 1 runs" not in resumed.log and "Point(x=" in resumed.log


def test_a_failed_cell_is_edited_and_a_cell_that_is_done_is_not(tmp_path: Path) -> None:
    failed = run(tmp_path / "failed", ["a = 1", "b = a + 1", "c = b / 0", "print(a, b, c)"])
    assert failed.error["code"] == "cell_failed" and state_of(failed).cell == 3
    edited = resume(failed, tmp_path / "edited", ["a = 1", "b = a + 1", "c = b / 2", "print(a, b, c)"])
    assert (edited.code, edited.log) == (0, "1 2 1.0\n")
    other = resume(failed, tmp_path / "other", ["a = 1", "b = a + 2", "c = b / 2", "print(a, b, c)"])
    assert other.code == 1
    assert "cell 2 is not the one that was run before" in other.error["message"]


def test_what_could_not_be_saved_is_named_and_told_when_it_is_needed(tmp_path: Path) -> None:
    cells = [
        "import sqlite3, threading\nconnection = sqlite3.connect(':memory:'); log = open('log.txt', 'w')",
        "lock = threading.Lock(); kept = [1, {'deep': lock}]; fine = ['x'] * 3; also = fine",
        "1 / 0",
        "connection.execute('select 1'); print(fine)",
    ]
    failed = run(tmp_path / "failed", cells)
    unsaved = {entry.name: (entry.type, entry.reason) for entry in state_of(failed).unsaved}
    assert set(unsaved) == {"connection", "log", "lock", "kept"}
    assert unsaved["connection"][0] == "sqlite3.Connection" and "cannot pickle" in unsaved["connection"][1]
    assert unsaved["log"] == ("_io.TextIOWrapper", "an open file cannot be saved; open it in the cell that uses it")
    assert [entry["name"] for entry in failed.of("state")[-1]["unsaved"]] == list(unsaved)
    assert "`connection` (sqlite3.Connection)" in "".join(executed(failed)[0]["source"])

    needing = resume(failed, tmp_path / "needing", [*cells[:2], "0", cells[3]])
    assert needing.code == 1 and needing.log.count("\n") == 1
    assert "cell 4 needs the variable `connection` (sqlite3.Connection)" in needing.error["message"]
    again = [*cells[:2], "connection = sqlite3.connect(':memory:'); assert also is fine", cells[3]]
    assert resume(failed, tmp_path / "again", again).log == "['x', 'x', 'x']\n"
    hidden = resume(failed, tmp_path / "hidden", [*cells[:2], "def use():\n    return lock\nuse()", "0"])
    assert "the resumed kernel lacks `lock`" in hidden.error["message"]


def test_secrets_are_not_in_the_state_and_are_there_again(tmp_path: Path) -> None:
    """In clear they would lie on the disk for as long as the job can be resumed."""
    cells = [
        "import os\ntoken = os.environ['HF_TOKEN']; shown = len(token)\nos.environ['COPY'] = f'Bearer {token}'",
        "header = f'Bearer {token}'; data = header.encode()",
        "cut()",
        "print(token == os.environ['HF_TOKEN'], token[:3], shown)",
    ]
    secret = {**SAVES, "ORRERY_SECRETS": "HF_TOKEN,OTHER", "HF_TOKEN": "hf-one-secret", "OTHER": "another-secret"}
    cut = run(tmp_path / "cut", cells, secret)
    assert cut.error["code"] == "cell_failed", cut.log
    state = state_of(cut)
    assert set(state.variables) == {"os", "token", "shown"}
    reason = "it holds a secret; read it anew from the environment"
    assert [(left.name, left.reason) for left in state.unsaved] == [("header", reason), ("data", reason)]
    kept = [path for path in (cut.work / "kernel_state").rglob("*.pickle")]
    assert kept and not any(b"hf-one-secret" in path.read_bytes() for path in kept)

    shutil.copytree(cut.work / "kernel_state", tmp_path / "resumed" / "work" / "kernel_state")
    renewed = {**secret, "HF_TOKEN": "new-secret"}
    resumed = run(tmp_path / "resumed", [*cells[:2], "cut = 1", cells[3]], renewed)
    assert resumed.code == 0, resumed.log
    assert "True new 13" in resumed.log

    shutil.copytree(cut.work / "kernel_state", tmp_path / "without" / "work" / "kernel_state")
    without = run(tmp_path / "without", [*cells[:2], "cut = 1", cells[3]])
    assert "'token' cannot be made again: it was read from HF_TOKEN" in without.error["message"]


def test_what_holds_a_secret_deep_inside_is_left_out_and_named(tmp_path: Path) -> None:
    cells = [
        "import os, numpy as np, pandas as pd\nfrom dataclasses import dataclass\ntoken = os.environ['HF_TOKEN']",
        "@dataclass\nclass Session:\n    headers: dict\nplain = [1, 'a']; shared = ['x']",
        "session = Session({'Authorization': [f'Bearer {token}']}); nested = {'a': {'b': (token,)}}\n"
        "def call(key=token):\n    return len(key)\ndef by_name():\n    return len(token)",
        "words = np.array([token, 'b']); many = np.array(['c'] * 20_000 + [token])\n"
        "table = pd.DataFrame({'key': [token]}); long = 'y' * 100_000 + token; both = [shared, token]",
        "cut()",
        "print(by_name(), plain, shared, session if 'session' in globals() else 'no session')",
    ]
    secret = {**SAVES, "ORRERY_SECRETS": "HF_TOKEN", "HF_TOKEN": "hf-one-secret"}
    cut = run(tmp_path / "cut", cells, secret)
    assert cut.error["code"] == "cell_failed", cut.log
    state = state_of(cut)
    left_out = {left.name for left in state.unsaved}
    assert left_out == {"session", "nested", "call", "words", "many", "table", "long", "both"}
    assert {left.reason for left in state.unsaved} == {"it holds a secret; read it anew from the environment"}
    assert {"token", "Session", "plain", "shared", "by_name"} <= set(state.variables)
    kept = [path for path in (cut.work / "kernel_state").rglob("*") if path.is_file()]
    wide = "hf-one-secret".encode("utf-32-le")
    assert kept
    assert not any(b"hf-one-secret" in path.read_bytes() or wide in path.read_bytes() for path in kept)

    shutil.copytree(cut.work / "kernel_state", tmp_path / "resumed" / "work" / "kernel_state")
    resumed = run(tmp_path / "resumed", [*cells[:4], "cut = 1", cells[5]], secret)
    assert "needs the variable `session` (Session): it holds a secret" in resumed.error["message"], resumed.log
    shutil.copytree(cut.work / "kernel_state", tmp_path / "again" / "work" / "kernel_state")
    again = run(tmp_path / "again", [*cells[:4], "cut = 1", "print(by_name(), plain, shared)"], secret)
    assert again.code == 0, again.log
    assert "13 [1, 'a'] ['x']" in again.log


def test_what_is_too_large_is_left_out_and_the_rest_is_kept(tmp_path: Path) -> None:
    cells = ["import numpy as np\nlarge = np.ones(1 << 18)\nsmall = 3", "1 / 0", "print(small)"]
    failed = run(tmp_path / "failed", cells, {"ORRERY_STATE_BYTES": str(1 << 20)})
    (unsaved,) = state_of(failed).unsaved
    assert (unsaved.name, unsaved.type) == ("large", "numpy.ndarray")
    assert "more than what is left of the 1 MiB" in unsaved.reason
    assert resume(failed, tmp_path / "resumed", [cells[0], "0", cells[2]]).log == "3\n"


def test_a_large_array_is_written_once_until_it_changes(tmp_path: Path) -> None:
    look = "import os; at = 'kernel_state/buffers/'; print([os.stat(at + name).st_ino for name in os.listdir(at)])"
    cells = ["import numpy as np\nlarge = np.ones(1 << 18)", look, "2", look, "large[0] = 5", look, "1 / 0"]
    job = run(tmp_path, cells)
    first, second, third = [line for line in job.log.splitlines() if line.startswith("[")]
    assert first == second != third


@pytest.mark.parametrize("limit", ["0", ""])
def test_nothing_is_saved_where_that_is_turned_off(limit: str, tmp_path: Path) -> None:
    failed = run(tmp_path, ["a = 1", "1 / 0"], {"ORRERY_STATE_BYTES": limit} if limit else {})
    assert failed.code == 1 and not (failed.work / "kernel_state").exists()


def test_another_pythons_kernel_is_saved_as_well(tmp_path: Path) -> None:
    """It may have neither the platform nor cloudpickle; here they are hidden from it."""
    spec = tmp_path / "share" / "kernels" / "other"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Other", "language": "python", "env": {"OTHER": "yes"}})
    )
    environment = {**SAVES, "JUPYTER_PATH": str(tmp_path / "share")}
    program = {"type": "notebook", "kernel_name": "other"}
    cells = ["import sys; square = lambda x: x * x * factor; factor = 2", "1 / 0"]
    write_notebook(tmp_path / "failed", cells)
    failed = run_job(tmp_path / "failed", program, environment)
    assert state_of(failed).variables == ("sys", "square", "factor")
    write_notebook(tmp_path / "resumed", [cells[0], "print(square(3))"])
    shutil.copytree(failed.work / "kernel_state", tmp_path / "resumed" / "work" / "kernel_state")
    assert run_job(tmp_path / "resumed", program, environment).log == "18\n"
