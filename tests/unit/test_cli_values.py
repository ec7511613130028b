"""What is typed on the command line, as values."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orrery.client.cli.output import bytes_text, cell_text, fitting_columns, reference_label, trials_text
from orrery.client.cli.tune import show_targets
from orrery.client.cli.values import parse_json, parse_pairs, parse_purposes, read_documents
from orrery.client.displays import duration_text
from orrery.client.kinds import Kind, Kinds
from orrery.client.paths import look_up, set_path
from orrery.client.times import parse_duration, parse_moment
from orrery.errors import Invalid, NotFound


def test_values_are_json_where_they_are_json_and_else_text() -> None:
    pairs = [
        "rounds=50",
        "rate=0.1",
        "flag=true",
        "none=null",
        "list=[1,2]",
        'text="3"',
        "name=a b",
        "nan=NaN",
        "x=a=b",
        "e=",
    ]
    assert parse_pairs(pairs, "-p") == {
        "rounds": 50,
        "rate": 0.1,
        "flag": True,
        "none": None,
        "list": [1, 2],
        "text": "3",
        "name": "a b",
        "nan": "NaN",
        "x": "a=b",
        "e": "",
    }


@pytest.mark.parametrize("pairs", [["rounds"], ["=5"], ["a=1", "a=2"]])
def test_what_is_no_pair_or_given_twice_is_refused(pairs: list[str]) -> None:
    with pytest.raises(Invalid, match="-p"):
        parse_pairs(pairs, "-p")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("1h30m", 5400), ("1d", 86400)]
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "2 hours", "-3m", "1m1h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="duration"):
        parse_duration(text)


def test_a_clock_means_the_next_time_that_it_is_so() -> None:
    now = datetime(2026, 1, 30, 21, 0).astimezone()
    assert parse_moment("22:00", now) == datetime(2026, 1, 30, 22, 0).astimezone()
    assert parse_moment("7:30", now) == datetime(2026, 1, 31, 7, 30).astimezone()
    assert parse_moment("1h30m", now) == parse_moment("+90m", now) == datetime(2026, 1, 30, 22, 30).astimezone()
    assert parse_moment("2026-02-01T22:00") == datetime(2026, 2, 1, 22, 0).astimezone()
    assert parse_moment("2026-02-01T22:00+05:00").isoformat() == "2026-02-01T22:00:00+05:00"


@pytest.mark.parametrize("text", ["", "25:00", "tonight", "2026-13-01T00:00"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is no moment"):
        parse_moment(text)


def test_a_path_sets_a_field_deep_inside() -> None:
    document: dict[str, Any] = {"spec": {"deployments": [{"replicas": 1}], "experiment": None}}
    set_path(document, "spec.deployments.0.replicas", 2)
    set_path(document, "spec.parameters.rounds", 3)
    set_path(document, "spec.experiment", "e")
    assert document["spec"] == {"deployments": [{"replicas": 2}], "experiment": "e", "parameters": {"rounds": 3}}


@pytest.mark.parametrize("path", ["spec.deployments.1.replicas", "spec.deployments.x", "name.first"])
def test_a_path_to_nowhere_is_refused(path: str) -> None:
    with pytest.raises(Invalid, match=path.replace(".", r"\.")):
        set_path({"name": "a", "spec": {"deployments": [{}]}}, path, 1)


def test_json_is_read_from_the_argument_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('[{"a": 1}]')
    assert parse_json('{"a": 1}') == {"a": 1}
    assert parse_json(f"@{tmp_path}/rows.json") == [{"a": 1}]
    with pytest.raises(Invalid, match=r"'\{a' is not JSON"):
        parse_json("{a")
    with pytest.raises(Invalid, match="cannot be read"):
        parse_json("@/nowhere/rows.json")


def test_a_file_holds_one_or_more_resources(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text("name: a\n---\nname: b\n")
    assert read_documents(str(file)) == [{"name": "a"}, {"name": "b"}]
    file.write_text('[{"name": "a"}]')
    assert read_documents(str(file)) == [{"name": "a"}]
    for bad in ("", "- 3\n", "a: [\n"):
        file.write_text(bad)
        with pytest.raises(Invalid, match=r"all\.yaml"):
            read_documents(str(file))


def test_purposes_name_files_by_path_or_last_part() -> None:
    assert parse_purposes(["data/valid.csv=validation"], ["train.csv", "valid.csv"]) == {"valid.csv": "validation"}
    with pytest.raises(Invalid, match=r"'nope\.csv' is not among the files"):
        parse_purposes(["nope.csv=validation"], ["train.csv"])
    with pytest.raises(Invalid, match="FILE=training"):
        parse_purposes(["train.csv=fun"], ["train.csv"])


KINDS = Kinds(
    (
        Kind("training", "trainings", "Training", "Trainings", prefix="trn"),
        Kind("dataset-version", "dataset-versions", "Dataset version", "Dataset versions", prefix="dsv"),
    )
)


@pytest.mark.parametrize("text", ["training", "trainings", "trn", "Trainings", "run"])
def test_a_kind_has_several_names(text: str) -> None:
    assert KINDS.find(text).plural == "trainings"
    assert KINDS.find("dataset_version").plural == "dataset-versions"


def test_a_misspelt_kind_gets_a_suggestion() -> None:
    with pytest.raises(NotFound, match="did you mean 'training"):
        KINDS.find("trianing")
    with pytest.raises(NotFound, match="The kinds here are: trainings, dataset-versions"):
        KINDS.find("zzz")


def test_cells_are_for_reading() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert cell_text("2026-01-01T23:58:20Z", "date", now) == "1 min ago"
    assert cell_text(None, "number") == "-"
    assert cell_text({"fraction": 0.42}, "progress") == "42%"
    assert cell_text(["a", "b"], "tags") == "a,b"
    assert cell_text(0.5, "number") == "0.5"
    assert bytes_text(124869) == "121.9 KiB"
    assert bytes_text(12) == "12 B"
    assert [duration_text(s) for s in (0, 61, 3600, 7500, 90000)] == ["0 s", "1 min 1 s", "1 h", "2 h 5 min", "1 d 1 h"]


def test_a_tuning_is_told_by_its_trials() -> None:
    counts = {"completed": 9, "running": 2, "failed": 1, "early_stopped": 0, "killed": 0, "total": 12}
    assert trials_text(counts, 20) == "10 of 20, 2 running, 1 failed"
    assert trials_text({**counts, "running": 1, "waiting": 1}, 20) == "10 of 20, 1 running, 1 waiting, 1 failed"
    assert trials_text({}, 20) == "-"


def test_a_narrow_terminal_loses_empty_columns_first_and_then_the_last() -> None:
    name, status, empty, owner, created = [4, 9], [6, 8], [10, 1], [5, 4], [7, 9]
    columns = [name, status, empty, owner, created]
    assert fitting_columns(columns, 200) == [0, 1, 2, 3, 4]
    assert fitting_columns(columns, 40) == [0, 1, 3, 4]
    assert fitting_columns(columns, 30) == [0, 1, 3]
    assert fitting_columns(columns, 5) == [0, 1]


def test_references_are_shown_by_name() -> None:
    document = {
        "spec": {"datasets": {"train": "dsv_1"}, "deployments": [{"model": "mdl_1"}]},
        "references": [{"path": "datasets.train", "owner": "alice", "name": "breast", "version": 2}],
    }
    assert reference_label(document, "spec.datasets.train") == "alice/breast@2"
    assert look_up(document, "spec.deployments.0.model") == "mdl_1"
    assert look_up(document, "spec.nope.x") is None


def test_what_a_stopped_trial_reached_is_marked_and_a_missing_value_is_a_dash() -> None:
    assert show_targets({"targets": [0.91234567], "is_final": True}, 1) == ["0.912346"]
    assert show_targets({"targets": [0.87, 3.0], "is_final": False}, 2) == ["0.87 (last)", "3 (last)"]
    assert show_targets({"targets": None, "is_final": False}, 2) == ["-", "-"]
