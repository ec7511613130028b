"""Results of notebooks that were sent to run are brought beside them by a real JupyterLab server, or fetched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orrery import Client, RunFailed
from orrery.client.notebook_runs import follow_result, result_place
from orrery.client.result_notes import (
    BROUGHT_SECONDS,
    MOST_BROUGHT,
    Announced,
    Note,
    Server,
    is_due,
    leave,
    mark_brought,
    notes_folder,
    read_notes,
    result_name,
    servers,
)
from orrery.testing.jupyter import jupyter_lab
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until


def write(path: Path, *cells: str) -> Path:
    code = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [{**code, "id": f"c{place}", "source": source} for place, source in enumerate(cells)],
    }
    path.write_text(json.dumps(document))
    return path


def waiting_for(go: Path) -> tuple[str, str]:
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.05)\nprint('the', 'end')"
    return "print('first', 'cell')", wait


def orrery(home: Path, *words: str) -> str:
    """What the command line says to the person."""
    environment = {key: value for key, value in os.environ.items() if key not in ("ORRERY_URL", "ORRERY_TOKEN")}
    done = subprocess.run(
        [sys.executable, "-m", "orrery.client.cli", *words],
        env={**environment, "ORRERY_HOME": str(home)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def has(path: Path, words: str) -> bool:
    return path.exists() and words in path.read_text()


@pytest.mark.parametrize(
    ("source", "run", "result"),
    [
        ("report.ipynb", "report-20260131-235959", "report-20260131-235959.ipynb"),
        ("report.ipynb", "nightly", "report-nightly.ipynb"),
        # a name that only begins alike is another's
        ("report.ipynb", "reporting", "report-reporting.ipynb"),
        # the notebook itself is never written over
        ("report.ipynb", "report", "report-result.ipynb"),
        ("nb-nb.ipynb", "nb-nb-1", "nb-nb-1.ipynb"),
        ("my report.ipynb", "my-report-2", "my-report-2.ipynb"),
        (f"{'long' * 15}.ipynb", f"{('long' * 15)[:47]}-1", f"{('long' * 15)[:47]}-1.ipynb"),
        ("_.ipynb", "notebook-1", "_-notebook-1.ipynb"),
    ],
)
def test_a_result_is_called_like_its_run_and_says_of_which_notebook_it_is(source: str, run: str, result: str) -> None:
    assert result_name(source, run) == result


def test_jupyterlab_brings_the_result_of_a_run_that_the_command_line_began_also_after_its_restart(
    tmp_path: Path,
) -> None:
    home, work, go = tmp_path / "home", tmp_path / "work", tmp_path / "go"
    (work / "reports").mkdir(parents=True)
    path = write(work / "reports" / "long.ipynb", *waiting_for(go))
    result = work / "reports" / "long-1.ipynb"
    with jupyter_lab(home, work) as lab:
        with lab.client() as asking:
            wait_until(lambda: asking.get("/orrery/readyz").is_success, seconds=90, what="the platform")
        said = orrery(home, "run", str(path), "--name", "long-1")
        assert f"Its result grows in {result}, where JupyterLab brings it" in said
        # cell by cell, while it runs
        wait_until(lambda: has(result, "first cell"), seconds=90, what="the first cell's output")
        assert not has(result, "the end")
        assert [note.target for note in read_notes(home / "result-notebooks")] == [str(result)]
    # it ends while no server is there
    assert list(servers(home / "result-notebooks")) == []
    go.touch()
    with jupyter_lab(home, work):
        wait_until(lambda: has(result, "the end"), seconds=120, what="the result")
        wait_until(lambda: brought(home), what="the note to say that it is there")


def brought(home: Path) -> bool:
    return all(note.brought for note in read_notes(home / "result-notebooks"))


def test_a_run_that_is_resumed_has_its_result_followed_again(tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    work.mkdir()
    path = write(work / "nb.ipynb", "print('first')", "1 / 0")
    result = work / "nb-1.ipynb"
    with jupyter_lab(home, work) as lab:
        with lab.client() as asking:
            wait_until(lambda: asking.get("/orrery/readyz").is_success, seconds=90, what="the platform")
        orrery(home, "run", str(path), "--name", "nb-1")
        wait_until(lambda: has(result, "ZeroDivisionError") and brought(home), seconds=90, what="the failed result")
        # by another face than the one that began it
        with Client(f"{lab.url}/orrery", lab.token) as client:
            mended = write(tmp_path / "mended.ipynb", "print('first')", "print('men' + 'ded')")
            client.trainings.get("nb-1").resume(mended)
        wait_until(lambda: has(result, "mended\\n"), seconds=90, what="the result of the resumed run")
        assert not has(result, "ZeroDivisionError")
        wait_until(lambda: brought(home), what="the note to say that it is there")

        # what somebody writes into it afterwards stays, also where the run's description changes
        result.write_text("{}")
        with lab.client() as asking:
            asking.patch("/orrery/api/v1/trainings/nb-1", json={"description": "changed"}).raise_for_status()
        other = write(work / "other.ipynb", "print('later')")
        orrery(home, "run", str(other), "--name", "other-1")
        wait_until(lambda: has(work / "other-1.ipynb", "later\\n") and brought(home), seconds=90, what="the other one")
        assert result.read_text() == "{}"

    # the command line says where the result of a resumed run goes
    failed = write(work / "cut.ipynb", "cell = 'first'", "1 / 0")
    with jupyter_lab(home, work) as lab:
        with lab.client() as asking:
            wait_until(lambda: asking.get("/orrery/readyz").is_success, seconds=90, what="the platform")
            # whoever tells the server of a run is told where its result goes
            asked = {"run": "trn_x", "name": "ann/nightly", "source": "deep/report.ipynb"}
            answer = asking.post("/orrery-extension/results", json=asked)
            assert answer.json() == {"followed": False, "path": "deep/report-nightly.ipynb"}
            assert asking.post("/orrery-extension/results", json={**asked, "source": "deep/"}).status_code == 400
        orrery(home, "run", str(failed), "--name", "cut-1")
        wait_until(lambda: has(work / "cut-1.ipynb", "ZeroDivisionError"), seconds=90, what="the failed result")
        wait_until(lambda: brought(home), what="the note to say that it is there")
        write(failed, "cell = 'first'", "print('go' + 'ne on')")
        said = orrery(home, "resume", "cut-1", "--notebook", str(failed))
        assert f"Its result grows in {work / 'cut-1.ipynb'}, where JupyterLab brings it" in said
        wait_until(lambda: has(work / "cut-1.ipynb", "gone on"), seconds=90, what="the result of the resumed run")


def test_notes_of_results_that_are_there_are_kept_for_a_while_and_not_without_end(tmp_path: Path) -> None:
    def note(number: int) -> Note:
        return Note(f"trn{number:03}", f"ann/r{number}", str(tmp_path / f"{number}.ipynb"), None)

    def written(run: str, seconds_ago: float) -> None:
        at = time.time() - seconds_ago
        os.utime(tmp_path / f"{run}.json", (at, at))

    ended = {"status": {"settled": True, "ended_at": "2026-01-01T00:00:00Z"}}
    leave(tmp_path, note(999))
    for number in range(MOST_BROUGHT):
        mark_brought(tmp_path, note(number), ended)
        written(f"trn{number:03}", 3600 - number)
    written("trn999", BROUGHT_SECONDS + 60)
    mark_brought(tmp_path, note(500), ended)
    kept = {one.run for one in read_notes(tmp_path)}
    # the oldest made way; what is still to be brought is kept longer
    assert "trn000" not in kept and {"trn001", "trn500", "trn999"} <= kept
    assert len(kept) == MOST_BROUGHT + 1

    written("trn001", BROUGHT_SECONDS + 60)
    mark_brought(tmp_path, note(500), ended)
    assert "trn001" not in {one.run for one in read_notes(tmp_path)}

    one = next(one for one in read_notes(tmp_path) if one.run == "trn500")
    again = {"status": {"settled": True, "ended_at": "2026-01-02T00:00:00Z"}}
    assert [is_due(one, run) for run in (ended, again, {"status": {"settled": False}})] == [False, True, True]


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunningPlatform:
    monkeypatch.setenv("ORRERY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ORRERY_URL", raising=False)
    monkeypatch.delenv("ORRERY_TOKEN", raising=False)
    return RunningPlatform(tmp_path / "home")


def test_where_no_server_runs_it_is_fetched_by_its_name(platform: RunningPlatform, tmp_path: Path) -> None:
    go = tmp_path / "go"
    path = write(tmp_path / "alone.ipynb", *waiting_for(go))
    result = tmp_path / "alone-1.ipynb"
    with platform, Client() as client:
        said = orrery(tmp_path / "home", "run", str(path), "--name", "alone-1")
        assert "fetch its result, with: orrery run --follow alone-1" in said
        training = client.trainings.get("alone-1")
        assert result_place(training) == (result, False)
        go.touch()
        assert f"the result of {training.qualified_name} is in {result}" in orrery(
            tmp_path / "home", "run", "--follow", "alone-1"
        )
        assert has(result, "the end")
        assert result_place(training.refresh()) is None

        failing = client.run_notebook(write(tmp_path / "bad.ipynb", "1 / 0"), wait=False)
        elsewhere = tmp_path / "elsewhere.ipynb"
        with pytest.raises(RunFailed, match="ZeroDivisionError"):
            follow_result(failing, elsewhere, progress=False)
        assert has(elsewhere, "ZeroDivisionError")
        notes = {note.run: note for note in read_notes(notes_folder())}
        assert all(note.brought for note in notes.values())
        # resumed, it goes to where it was wanted
        assert notes[failing.id].target == str(elsewhere)


def test_a_server_brings_what_is_of_its_platform_and_below_its_folder(tmp_path: Path) -> None:
    server = Server(str(tmp_path / "work"), None)
    note = Note("trn1", "ann/report", str(tmp_path / "work" / "deep" / "r.ipynb"), None)
    assert server.brings(note)
    assert not server.brings(Note("trn1", "ann/report", str(tmp_path / "work" / ".." / "r.ipynb"), None))
    assert not server.brings(Note("trn1", "ann/report", note.target, "https://hub.example/services/orrery"))

    announced = Announced(tmp_path / "notes", server)
    leave(tmp_path / "notes", note)
    (tmp_path / "notes" / "strange.json").write_text("no json")
    assert list(servers(tmp_path / "notes")) == [server]
    assert read_notes(tmp_path / "notes") == [note]
    os.close(announced._descriptor)  # as when its process is killed  # pyright: ignore[reportPrivateUsage]
    assert list(servers(tmp_path / "notes")) == []
    assert not announced.path.exists()
