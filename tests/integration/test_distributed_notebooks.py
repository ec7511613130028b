"""Notebooks on several nodes of a real platform: each runs it in a kernel of its own, and they meet over a socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from orrery import Client, RunFailed
from orrery.client.builtin import Training
from orrery.errors import Invalid
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until

PARAMETERS = "#: How much each rank brings.\nshare: int = 1"
#: both ranks bring their share to node 0, which answers with the sum
MEET = """
import json, os, socket, time
told = json.loads(os.environ["TF_CONFIG"])
rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
assert rank == int(os.environ["NODE_RANK"]) == told["task"]["index"] and os.environ["LOCAL_RANK"] == "0"
place = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
assert told["cluster"]["worker"][0] == f"{place[0]}:{place[1]}" and len(told["cluster"]["worker"]) == ranks
mine = share * (rank + 1)
if rank == 0:
    with socket.create_server(place) as server:
        other, _ = server.accept()
    total = mine + int(other.recv(16))
    other.sendall(str(total).encode())
else:
    while True:
        try:
            other = socket.create_connection(place)
            break
        except ConnectionRefusedError:
            time.sleep(0.02)
    other.sendall(str(mine).encode())
    total = int(other.recv(16))
print(f"rank {rank} of {ranks} has {total}")
"""
TELL = "from orrery.jobs import report\nreport.metrics({'total': total}, step=1)\nreport.result({'total': total})"
LAST_WORDS = "if rank == 1: print('last words')"
#: rank 1 dies as the cell says, while rank 0 waits for it
DIE = "if rank == 1:\n    {how}\nassert other.recv(16), 'the other is gone'\nprint('never reached')"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    sizes = {"cpu-small": {"title": "1 core", "cores": 1, "memory_bytes": "1G"}}
    environment = {"ORRERY_CORES": "4", "ORRERY_INSTANCE_TYPES": json.dumps(sizes), "ORRERY_MEMORY_BYTES": "8G"}
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment=environment) as running:
        yield running


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


def write(path: Path, cells: Sequence[str]) -> Path:
    """A heading, the parameters cell, and these."""
    code = {"cell_type": "code", "outputs": [], "execution_count": None}
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [
            {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# Together"},
            {**code, "id": "parameters", "metadata": {"tags": ["parameters"]}, "source": PARAMETERS},
            *({**code, "id": f"c{place}", "metadata": {}, "source": source} for place, source in enumerate(cells)),
        ],
    }
    path.write_text(json.dumps(document))
    return path


def run(client: Client, path: Path, **options: Any) -> Training:
    """On two nodes, followed to its end, whichever that is."""
    training = client.run_notebook(path, name=path.stem, nodes=2, wait=False, progress=False, **options)
    try:
        return training.wait(progress=False)
    except RunFailed:
        return training.refresh()


def texts(notebook: Any) -> str:
    return json.dumps([cell.get("outputs") for cell in notebook["cells"]])


def test_every_node_runs_the_notebook_with_the_same_parameters_and_finds_the_others(
    client: Client, platform: RunningPlatform, tmp_path: Path
) -> None:
    path = write(tmp_path / "meet.ipynb", [MEET, TELL])
    found = platform.announcement
    done = subprocess.run(
        [
            *(sys.executable, "-m", "orrery.client.cli", "run", str(path), "--name", "meet", "--nodes", "2"),
            *("-p", "share=5", "--wait", "--to", str(tmp_path / "result.ipynb")),
        ],
        env={**os.environ, "ORRERY_URL": found["url"], "ORRERY_TOKEN": found["token"]},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    training = client.trainings.get("meet")
    assert training.spec["nodes"] == 2
    assert "[rank 0] rank 0 of 2 has 15" in training.logs() and "[rank 1] rank 1 of 2 has 15" in training.logs()
    assert list(training.logs(rank=1)) == ["rank 1 of 2 has 15"]
    # what both report counts once
    assert training.metrics == {"total": 15}
    assert [point.value for point in training.metrics_history()["total"]] == [15]
    # the first node's is the result, beside the source; the other's is an output file
    (result,) = {file.name for file in tmp_path.glob("*.ipynb")} - {path.name}
    assert "rank 0 of 2 has 15" in (tmp_path / result).read_text()
    assert "rank 0 of 2" in texts(training.notebook()) and "rank 1 of 2" not in texts(training.notebook())
    kept = [file["path"] for file in training.status.outputs["output_files"]]
    assert kept == ["output/result.node1.ipynb"]
    other = json.loads(training.download("output/result.node1.ipynb", to=tmp_path / "other.ipynb").read_text())
    assert "rank 1 of 2 has 15" in texts(other)
    assert set(training.usage_history()) == {None, 0, 1}


@pytest.mark.parametrize(
    ("name", "how", "words"),
    [
        ("raised", "raise ValueError('a bad batch')", "rank 1, cell 5 of 6: ValueError: a bad batch"),
        (
            "killed",
            "os.kill(os.getpid(), 9)",
            "rank 1, cell 5 of 6: the kernel was killed: not for want of memory",
        ),
        ("runner", "os.kill(os.getppid(), 9)", ": it was killed: not for want of memory"),
    ],
)
def test_the_death_of_one_rank_ends_the_run_and_is_told_with_its_cell_and_last_words(
    client: Client, tmp_path: Path, name: str, how: str, words: str
) -> None:
    training = run(client, write(tmp_path / f"{name}.ipynb", [MEET, LAST_WORDS, DIE.format(how=how), "print('never')"]))
    assert training.status.phase == "FAIL_TRAIN"
    message = training.status.message
    assert words in message, message
    if name != "runner":
        assert message.splitlines()[1:] == ["rank 1 of 2 has 3", "last words"]
    assert not [line for line in training.logs() if line.startswith("[rank 0] never")]
    assert "output/result.node1.ipynb" in [file["path"] for file in training.status.outputs["output_files"]]


def test_what_a_rank_reports_itself_is_the_reason(client: Client, tmp_path: Path) -> None:
    how = "from orrery.jobs import report; report.fail('bad_data', 'column x is empty; fill it in')"
    training = run(client, write(tmp_path / "told.ipynb", [MEET, DIE.format(how=how)]))
    assert (training.status.reason, training.status.message) == ("bad_data", "column x is empty; fill it in")


def test_several_nodes_are_stopped_and_resumed_from_checkpoints_only(client: Client, tmp_path: Path) -> None:
    path = write(tmp_path / "stopped.ipynb", [MEET, "while True: time.sleep(0.01)"])
    training = client.run_notebook(path, name="stopped", nodes=2, wait=False)
    wait_until(lambda: len(list(training.logs())) == 2, seconds=60, what="both nodes")
    training.stop().wait(progress=False)
    assert training.status.phase == "STOPPED" and training.next_cell is None
    with pytest.raises(Invalid, match="several nodes, each of which was cut off at a cell of its own"):
        training.resume()
    assert training.refresh().status.phase == "STOPPED"

    save = (
        "begun = os.environ['EM_CHECKPOINT_INPUT_DIR']\nfolder = os.environ['EM_CHECKPOINT_DIR']\n"
        "if rank == 0 and not begun:\n    os.makedirs(folder)\n    open(folder + '/done', 'w').write('half')\n"
        "print('from', os.listdir(begun) if begun else 'nothing')"
    )
    fails_once = "if not begun: raise RuntimeError('once')"
    checkpointed = run(client, write(tmp_path / "checkpointed.ipynb", [MEET, save, fails_once]))
    assert checkpointed.status.phase == "FAIL_TRAIN"
    checkpointed.resume().wait(progress=False)
    assert "[rank 1] from ['done']" in checkpointed.logs()


def test_a_notebook_is_one_process_on_each_node(client: Client, tmp_path: Path) -> None:
    path = write(tmp_path / "many.ipynb", ["1"])
    with pytest.raises(Invalid, match="processes_per_node is 2, and a notebook is one process on each node"):
        client.run_notebook(path, nodes=2, processes_per_node=2)
    with pytest.raises(Invalid, match="is a notebook, which is one process on each node"):
        client.run_notebook(path, torchrun=True)
    # one that is alone finds the same variables
    alone = client.run_notebook(
        write(tmp_path / "alone.ipynb", ["import os; print(os.environ['RANK'], os.environ['WORLD_SIZE'])"]),
        progress=False,
    )
    assert list(alone.logs()) == ["0 1"]
