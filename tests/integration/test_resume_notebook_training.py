"""Trainings of notebooks on a real platform: cut off, and resumed in the cell where they were."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from orrery import Client, RunFailed
from orrery.errors import Invalid
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until

DONE = [
    "print('first cell')\nsteps = ['one']\nconnection = __import__('sqlite3').connect(':memory:')",
    "import os, pathlib\npathlib.Path('table.csv').write_text('a,b'); steps.append('two')",
    "pathlib.Path(os.environ['EM_OUTPUT_DIR']).mkdir(parents=True, exist_ok=True)\n"
    "(pathlib.Path(os.environ['EM_OUTPUT_DIR']) / 'early.txt').write_text('early')",
]
LAST = "print(steps, pathlib.Path('table.csv').read_text())"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with RunningPlatform(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


def write(path: Path, cells: Sequence[str]) -> Path:
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
    path.write_text(json.dumps(document))
    return path


def cut_off(client: Client, folder: Path, name: str, cell: str) -> Any:
    with pytest.raises(RunFailed):
        client.run_notebook(write(folder / f"{name}.ipynb", [*DONE, cell, LAST]), name=name, progress=False)
    return client.trainings.get(name)


def test_a_killed_kernel_goes_on_in_its_cell_and_files_are_there(client: Client, tmp_path: Path) -> None:
    training = cut_off(client, tmp_path, "killed", "os.kill(os.getpid(), 9)")
    assert training.next_cell == (4, 5)
    shown = training.status.outputs["kernel_state"]
    assert [(one["name"], one["type"]) for one in shown["unsaved"]] == [("connection", "sqlite3.Connection")]
    assert not [file.path for file in training.files() if file.path.startswith("kernel_state")]

    changed = write(tmp_path / "changed.ipynb", [*DONE, "steps.append('resumed')", LAST])
    training.resume(changed).wait(progress=False)
    assert list(training.logs()) == ["['one', 'two', 'resumed'] a,b"]
    cells = [cell for cell in training.notebook()["cells"] if cell["cell_type"] == "code"]
    assert "first cell" in str(cells[0]["outputs"])
    assert "output/early.txt" in [file["path"] for file in training.status.outputs["output_files"]]
    assert training.status.outputs["kernel_state"] is None and training.next_cell is None


def test_with_parameters_cells_are_counted_as_in_the_source(client: Client, tmp_path: Path) -> None:
    path = write(tmp_path / "counted.ipynb", ["kept = 'one'", *DONE, "1 / 0", LAST])
    with pytest.raises(RunFailed, match="cell 5 of 6: ZeroDivisionError"):
        client.run_notebook(path, name="counted", parameters={"year": 2026}, progress=False)
    training = client.trainings.get("counted")
    assert training.next_cell == (5, 6)
    assert training.status.progress is not None and training.status.progress.message == "cell 4 of 6"
    # the executed notebook, edited as Lab does it, holds the parameters and notes of the failure besides
    for notebook in (json.loads(path.read_text()), training.notebook()):
        changed = next(cell for cell in notebook["cells"] if "table.csv" in "".join(cell["source"]))
        changed["source"] = "steps.append('other')"
        other = tmp_path / "other-counted.ipynb"
        other.write_text(json.dumps(notebook))
        with pytest.raises(Invalid, match="cell 3 was changed or removed") as refused:
            training.resume(other)
        assert refused.value.details["changed_cell"] == 3


def test_a_changed_done_cell_is_refused_by_its_number_and_starting_over_is_offered(
    client: Client, tmp_path: Path
) -> None:
    training = cut_off(client, tmp_path, "edited", "1 / 0")
    other = write(tmp_path / "other.ipynb", [DONE[0], DONE[1] + "\nsteps.append('more')", DONE[2], "1", LAST])
    with pytest.raises(Invalid, match="cell 2 was changed or removed, and it has been run already") as refused:
        training.resume(other)
    assert refused.value.details["changed_cell"] == 2
    assert training.refresh().status.phase == "FAIL_TRAIN"
    training.resume(other, start_over=True).wait(progress=False)
    assert list(training.logs()) == ["first cell", "['one', 'two', 'more'] a,b"]


def test_failing_again_keeps_what_was_saved_before(client: Client, tmp_path: Path) -> None:
    training = cut_off(client, tmp_path, "again", "1 / 0")
    with pytest.raises(RunFailed):
        training.resume().wait(progress=False)
    assert training.next_cell == (4, 5)
    training.resume(write(tmp_path / "mended.ipynb", [*DONE, "steps.append('three')", LAST])).wait(progress=False)
    assert list(training.logs()) == ["['one', 'two', 'three'] a,b"]


def test_a_stopped_notebook_is_resumed_as_well(client: Client, tmp_path: Path) -> None:
    path = write(tmp_path / "stopped.ipynb", [*DONE, "print('waits')\nwhile 'go' not in os.environ: pass", LAST])
    training = client.run_notebook(path, name="stopped", wait=False)
    wait_until(lambda: "waits" in list(training.logs()), what="the fourth cell")
    training.stop().wait(progress=False)
    assert (training.status.phase, training.next_cell) == ("STOPPED", (4, 5))
    training.resume(write(path, [*DONE, "steps.append('gone on')", LAST])).wait(progress=False)
    assert list(training.logs()) == ["['one', 'two', 'gone on'] a,b"]


def test_a_training_waits_for_its_moment_and_can_be_stopped_before(client: Client, tmp_path: Path) -> None:
    path = write(tmp_path / "later.ipynb", ["1"])
    moment = datetime(2126, 1, 31, 22, 0, tzinfo=timezone(timedelta(hours=2)))
    training = client.run_notebook(path, name="later", wait=False, start_after=moment)
    wait_until(lambda: training.refresh().status.reason, what="the reason why it waits")
    assert (training.status.phase, training.status.reason) == ("CREATE_IN_PROGRESS", "starts_later")
    assert training.status.message == "starts at 2126-01-31 22:00 UTC+02:00"
    training.stop().wait(progress=False)
    assert (training.status.phase, training.status.message) == ("STOPPED", "stopped before it began")

    before = datetime.now(UTC)
    by_words = client.run_notebook(path, name="tonight", wait=False, start_after="2h")
    after = datetime.now(UTC)
    asked = datetime.fromisoformat(by_words.spec["start_after"])
    assert before <= asked - timedelta(hours=2) <= after
    by_words.stop()

    soon = datetime.now(UTC) + timedelta(seconds=3)
    done = client.run_notebook(path, name="soon", progress=False, start_after=timedelta(seconds=3))
    assert done.status.phase == "COMPLETE" and done.status.message == ""
    assert done.status.started_at is not None and done.status.started_at >= soon
    with pytest.raises(Invalid, match="time zone"):
        client.kind("trainings").create_from(
            {"name": "naive", "spec": {"algorithm": "later", "start_after": "2126-01-31T22:00:00"}}
        )


def test_what_is_no_notebook_is_refused(client: Client, tmp_path: Path) -> None:
    training = cut_off(client, tmp_path, "refused", "1 / 0")
    (tmp_path / "text.ipynb").write_text("{}")
    with pytest.raises(Invalid, match="is no notebook"):
        training.resume(tmp_path / "text.ipynb")
    script = client.train(name="script", script={"run.py": b"raise SystemExit(1)"})
    with pytest.raises(RunFailed):
        script.wait(progress=False)
    with pytest.raises(Invalid, match="kept no checkpoint"):
        script.resume()
