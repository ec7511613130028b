"""The job-side reporting library: one JSON line a call, honest numbers, silence without a platform."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orrery.jobs import report


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "reports.jsonl"
    monkeypatch.setenv("ORRERY_REPORTS", str(path))
    monkeypatch.setenv("ORRERY_WORK_DIR", str(tmp_path / "work"))
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_each_call_is_one_line_with_its_time(reports: Path) -> None:
    report.progress(0.42, epoch=21, epochs=50, message="boosting round 21 of 50")
    report.metrics({"loss": 0.5}, step=21)
    report.params({"rate": 0.1, "name": "ü"})
    report.artifact("output/roc.png", "ROC curve")
    report.result({"roc_auc": 0.99})
    report.error("bad_data", "nothing there", column="x")
    found = lines(reports)
    assert all(line.pop("at").endswith("+00:00") for line in found)
    assert found == [
        {
            "type": "progress",
            "fraction": 0.42,
            "epoch": 21,
            "epochs": 50,
            "step": None,
            "steps": None,
            "message": "boosting round 21 of 50",
        },
        {"type": "metrics", "step": 21, "values": {"loss": 0.5}},
        {"type": "params", "values": {"rate": 0.1, "name": "ü"}},
        {"type": "artifact", "path": "output/roc.png", "title": "ROC curve"},
        {"type": "result", "values": {"roc_auc": 0.99}},
        {"type": "error", "code": "bad_data", "message": "nothing there", "details": {"column": "x"}},
    ]


def test_what_is_not_a_number_keeps_its_name(reports: Path) -> None:
    report.metrics({"a": float("nan"), "b": float("inf"), "c": -np.inf, "d": float(np.float32(0.5))})
    assert lines(reports)[0]["values"] == {"a": "NaN", "b": "Infinity", "c": "-Infinity", "d": 0.5}


def test_numpy_and_odd_values_become_json(reports: Path) -> None:
    report.result({"n": np.int64(3), "v": np.array([1.0, np.nan]), "t": (1, 2), "p": Path("x"), "b": np.bool_(True)})
    assert lines(reports)[0]["values"] == {"n": 3, "v": [1.0, "NaN"], "t": [1, 2], "p": "x", "b": True}


@pytest.mark.parametrize(("given", "told"), [(-0.1, 0.0), (1.7, 1.0)])
def test_progress_is_cut_to_its_range(given: float, told: float, reports: Path) -> None:
    report.progress(given)
    assert lines(reports)[0]["fraction"] == told


def test_progress_that_is_no_number_is_refused(reports: Path) -> None:
    with pytest.raises(ValueError, match="not NaN"):
        report.progress(float("nan"))


def test_an_artifact_inside_the_work_folder_is_told_relative_to_it(reports: Path, tmp_path: Path) -> None:
    report.artifact(tmp_path / "work" / "output" / "a.png", "A")
    assert lines(reports)[0]["path"] == "output/a.png"
    with pytest.raises(ValueError, match="outside the work folder"):
        report.artifact(tmp_path / "elsewhere.png", "B")


def test_failing_reports_and_raises(reports: Path) -> None:
    with pytest.raises(report.JobFailed, match="too few rows"):
        report.fail("bad_data", "too few rows", rows=1)
    assert lines(reports)[0]["details"] == {"rows": 1}


def test_without_a_platform_nothing_happens(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("ORRERY_REPORTS", raising=False)
    report.progress(0.5)
    report.error("x", "y")
    assert capfd.readouterr() == ("", "")


def test_processes_that_report_at_once_do_not_mix_lines(reports: Path) -> None:
    script = "from orrery.jobs import report\nfor step in range(200): report.metrics({'m' * 300: step}, step)"
    writers = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(lines(reports)) == 400


def test_it_needs_the_standard_library_only() -> None:
    script = (
        "import sys; import orrery.jobs.report;"
        "print({m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names) - {'orrery', '__main__'})"
    )
    only_ours = {"PYTHONPATH": str(Path(report.__file__).parents[2])}
    argv = [sys.executable, "-S", "-P", "-c", script]
    found = subprocess.run(argv, capture_output=True, text=True, check=False, env=only_ours)
    assert found.stdout.strip() == "set()", found.stdout + found.stderr
