"""Notebooks, functions and commands as jobs: what they leave when they end well, badly, or are stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orrery.testing.algorithms import FinishedJob, run_job

DEADLINE_SECONDS = 60


def write_notebook(folder: Path, *cells: str, parameters: str | None = None) -> None:
    sources = [(parameters, ["parameters"])] if parameters is not None else []
    sources += [(cell, []) for cell in cells]
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [
            {"cell_type": "code", "id": f"c{place}", "metadata": {"tags": tags}, "source": source}
            | {"outputs": [], "execution_count": None}
            for place, (source, tags) in enumerate(sources)
        ],
    }
    (folder / "work").mkdir(parents=True, exist_ok=True)
    (folder / "work" / "input.ipynb").write_text(json.dumps(document))


def run_notebook(folder: Path, *cells: str, **program: Any) -> FinishedJob:
    write_notebook(folder, *cells)
    return run_job(folder, {"type": "notebook", **program})


def executed(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "work" / "output.ipynb").read_text())["cells"]


def test_output_is_in_the_log_and_in_the_notebook(tmp_path: Path) -> None:
    job = run_notebook(tmp_path, "print('first'); 6 * 7", "import sys; print('aside', file=sys.stderr)")
    assert job.code == 0, job.log
    assert "first\n" in job.log and "aside\n" in job.log
    outputs = executed(tmp_path)[0]["outputs"]
    assert [output["output_type"] for output in outputs] == ["stream", "execute_result"]
    assert outputs[1]["data"]["text/plain"] == ["42"]


def test_nothing_else_is_in_the_log(tmp_path: Path) -> None:
    job = run_notebook(tmp_path, "print('only this')")
    assert job.log == "only this\n"


def test_parameters_replace_the_cells_defaults(tmp_path: Path) -> None:
    write_notebook(tmp_path, "print(rate, name, missing)", parameters="rate: float = 0.1\nname = 'a'\nmissing = 1")
    job = run_job(tmp_path, {"type": "notebook", "parameters": {"rate": 0.5, "name": 'b\'s "c"', "missing": None}})
    assert job.log == '0.5 b\'s "c" None\n'


def test_progress_comes_from_the_cells_unless_the_notebook_tells_its_own(tmp_path: Path) -> None:
    job = run_notebook(tmp_path / "silent", "1", "2", "3", "4")
    assert [report["fraction"] for report in job.of("progress")] == [0.25, 0.5, 0.75, 1.0]
    tells = "from orrery.jobs import report\nreport.progress(0.4, message='here')"
    job = run_notebook(tmp_path / "telling", "1", tells, "3")
    assert [(report["fraction"], report["message"]) for report in job.of("progress")] == [(0.4, "here")]


def test_cells_are_counted_as_their_author_sees_them(tmp_path: Path) -> None:
    """The injected parameters are not among them, nor are they in a notebook that is run again as a run has left it."""
    parameters = {"year": 2026}
    write_notebook(tmp_path / "first", "print(year)", "year / 0", "3", parameters="year = 2000")
    first = run_job(tmp_path / "first", {"type": "notebook", "parameters": parameters})
    assert [report["message"] for report in first.of("progress")] == ["cell 1 of 4", "cell 2 of 4"]
    assert first.error["message"] == "cell 3 of 4: ZeroDivisionError: division by zero"
    assert first.error["details"]["cell"] == 3
    left = executed(tmp_path / "first")
    assert len(left) == 7  # the parameters, and two notes of the failure

    (tmp_path / "again" / "work").mkdir(parents=True)
    copy = (tmp_path / "first" / "work" / "output.ipynb").read_text()
    (tmp_path / "again" / "work" / "input.ipynb").write_text(copy)
    again = run_job(tmp_path / "again", {"type": "notebook", "parameters": parameters})
    assert again.error["message"] == first.error["message"]

    # one that its author has put there counts
    fork = json.loads(copy)
    for cell in fork["cells"]:
        cell["metadata"].pop("papermill", None)
    (tmp_path / "again" / "work" / "input.ipynb").write_text(json.dumps(fork))
    forked = run_job(tmp_path / "again", {"type": "notebook", "parameters": parameters})
    assert forked.error["message"] == "cell 4 of 5: ZeroDivisionError: division by zero"


def test_a_failing_cell_is_the_jobs_error_and_the_rest_stays_unrun(tmp_path: Path) -> None:
    job = run_notebook(tmp_path, "x = 1", "x / 0", "print('never')")
    assert job.code == 1
    assert job.error["code"] == "cell_failed"
    assert job.error["message"] == "cell 2 of 3: ZeroDivisionError: division by zero"
    assert "never" not in job.log and "ZeroDivisionError" in job.log
    assert "\x1b[" not in job.log


def test_an_error_that_the_notebook_reports_is_not_overwritten(tmp_path: Path) -> None:
    cell = "from orrery.jobs import report\nreport.fail('bad_data', 'column x is empty; fill it in', column='x')"
    job = run_notebook(tmp_path, cell)
    assert job.code == 1
    assert [report["code"] for report in job.of("error")] == ["bad_data"]
    assert job.error["details"] == {"column": "x"}
    assert "Traceback" not in job.log


def test_exiting_with_zero_is_no_failure(tmp_path: Path) -> None:
    assert run_notebook(tmp_path, "import sys; sys.exit(0)").code == 0


def test_a_kernel_that_dies_is_told_as_such(tmp_path: Path) -> None:
    job = run_notebook(tmp_path, "print('before')", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "3")
    assert job.code == 1
    assert job.error["code"] == "kernel_died"
    assert job.error["message"] == "cell 2 of 3: the kernel was killed"
    assert job.error["details"]["status"] == -9
    assert executed(tmp_path)[0]["outputs"]


def test_files_left_open_and_exit_hooks_are_written(tmp_path: Path) -> None:
    """The kernel ends as an interpreter does: buffers are flushed, exit hooks run."""
    job = run_notebook(
        tmp_path,
        "file = open('left-open.txt', 'w'); file.write('kept')",
        "import atexit, pathlib; atexit.register(pathlib.Path('hook.txt').write_text, 'ran')",
    )
    assert job.code == 0, job.log
    assert (job.work / "left-open.txt").read_text() == "kept"
    assert (job.work / "hook.txt").read_text() == "ran"


def test_the_kernel_stays_in_the_jobs_process_group(tmp_path: Path) -> None:
    job = run_notebook(tmp_path, "import os; print(os.getpgrp() == os.getpgid(os.getppid()), os.getcwd())")
    assert job.log == f"True {job.work}\n"


def test_a_kernel_of_another_environment_runs_as_a_process(tmp_path: Path) -> None:
    spec = tmp_path / "share" / "kernels" / "other"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Other", "language": "python", "env": {"OTHER": "yes"}})
    )
    write_notebook(tmp_path / "job", "import os; print(os.environ['OTHER'], os.getpgrp() == os.getpgid(os.getppid()))")
    job = run_job(
        tmp_path / "job", {"type": "notebook", "kernel_name": "other"}, {"JUPYTER_PATH": str(tmp_path / "share")}
    )
    assert job.code == 0, job.log
    assert job.log == "yes True\n"


def test_an_unknown_kernel_names_those_that_are_there(tmp_path: Path) -> None:
    job = run_notebook(tmp_path, "1", kernel_name="julia")
    assert job.code == 1
    assert "no kernel 'julia'" in job.error["message"] and "python3" in job.error["message"]


@pytest.mark.parametrize(("content", "words"), [("{", "not a Jupyter notebook"), (None, "not among the job's files")])
def test_what_is_no_notebook_is_refused(content: str | None, words: str, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    if content is not None:
        (tmp_path / "work" / "input.ipynb").write_text(content)
    job = run_job(tmp_path, {"type": "notebook"})
    assert job.code == 1
    assert words in job.error["message"]


class Running:
    """A job that is running, in a process group of its own as under the shim."""

    def __init__(self, folder: Path, *, grace_seconds: float = 4.0) -> None:
        (folder / "job.json").write_text(
            json.dumps({"id": "stopped", "program": {"type": "notebook"}, "grace_seconds": grace_seconds})
        )
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orrery.jobs.run", str(folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.01)

    def group(self) -> list[int]:
        members: list[int] = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.getpgid(int(name)) == self.process.pid:
                    members.append(int(name))
            except ProcessLookupError:
                continue
        return members


@pytest.mark.parametrize("whole_group", [True, False])
def test_a_stop_interrupts_the_cell_and_leaves_the_notebook(whole_group: bool, tmp_path: Path) -> None:
    write_notebook(
        tmp_path,
        "print('done before')",
        "import pathlib, time\ntry:\n    pathlib.Path('started').touch()\n    time.sleep(600)\n"
        "finally:\n    pathlib.Path('saved').touch()",
        "print('never')",
    )
    # longer than the slowest machine takes to an orderly end
    running = Running(tmp_path, grace_seconds=2 * DEADLINE_SECONDS)
    running.wait_for((tmp_path / "work" / "started").exists)
    if whole_group:
        os.killpg(running.process.pid, signal.SIGTERM)
    else:
        running.process.terminate()
    assert running.process.wait(DEADLINE_SECONDS) == 128 + signal.SIGTERM
    assert (tmp_path / "work" / "saved").exists()
    assert executed(tmp_path)[0]["outputs"][0]["text"] == ["done before\n"]
    assert not executed(tmp_path)[2]["outputs"]
    assert running.group() == []


def test_a_cell_that_ignores_the_stop_is_killed_within_the_grace(tmp_path: Path) -> None:
    cell = """
import pathlib
while True:
    try:
        pathlib.Path('started').touch()
        while True: pass
    except KeyboardInterrupt: pass
"""
    write_notebook(tmp_path, cell)
    running = Running(tmp_path)
    running.wait_for((tmp_path / "work" / "started").exists)
    running.process.terminate()
    assert running.process.wait(DEADLINE_SECONDS) == 128 + signal.SIGTERM
    assert running.group() == []


def test_the_kernel_ends_with_the_job_that_is_killed(tmp_path: Path) -> None:
    cell = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)"
    write_notebook(tmp_path, cell)
    running = Running(tmp_path)
    pid_file = tmp_path / "work" / "pid"
    running.wait_for(lambda: pid_file.exists() and bool(pid_file.read_text()))
    kernel = int(pid_file.read_text())
    running.process.kill()
    running.process.wait()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while Path(f"/proc/{kernel}").exists() and "Z" not in Path(f"/proc/{kernel}/stat").read_text().split(")")[1][:3]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_function_is_called_with_its_arguments(tmp_path: Path) -> None:
    job = run_job(tmp_path, {"type": "python", "entry": "orrery.jobs.report:result", "arguments": {"values": {"a": 1}}})
    assert job.code == 0
    assert job.result == {"a": 1}


def test_a_function_that_raises_is_the_jobs_error(tmp_path: Path) -> None:
    job = run_job(tmp_path, {"type": "python", "entry": "json:loads", "arguments": {"s": "{"}})
    assert job.code == 1
    assert job.error["message"].startswith("JSONDecodeError: ")
    assert "Traceback" in job.log


def test_a_command_becomes_the_job(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import os; print(os.environ['EM_MODEL_DIR'], os.getcwd()); raise SystemExit(7)"]
    job = run_job(tmp_path, {"type": "command", "argv": argv}, {"EM_MODEL_DIR": "/m"})
    assert job.code == 7
    assert job.log == f"/m {job.work}\n"


def test_a_command_that_is_not_there_says_so(tmp_path: Path) -> None:
    job = run_job(tmp_path, {"type": "command", "argv": ["no-such-command"]})
    assert job.code == 127
    assert "'no-such-command' is not on this job's PATH" in job.error["message"]


FORKING = """
import os, sys
from pathlib import Path
from orrery.jobs.warm import thread_count, warm
warm()
assert thread_count() == 1, os.listdir("/proc/self/task")
heavy = {"numpy", "pandas", "torch", "matplotlib", "rfc3987_syntax"} & set(sys.modules)
assert not heavy, heavy
for folder in sys.argv[1:]:
    pid = os.fork()
    if pid == 0:
        from orrery.jobs.run import main
        os._exit(main(Path(folder)))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def test_jobs_forked_from_a_warm_process_run_alike(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        product = "import numpy; numpy.ones((200, 200)) @ numpy.ones((200, 200))"
        write_notebook(folder, f"print('in {folder.name}')", product)
        (folder / "job.json").write_text(json.dumps({"program": {"type": "notebook"}}))
    argv = [sys.executable, "-P", "-c", FORKING, *map(str, folders)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "in one\nin two\nin three\n"
    assert ended.stderr == ""
