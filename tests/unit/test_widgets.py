"""The pure parts of panels: fields from a schema, calls as Python, notebooks with values."""

from __future__ import annotations

import base64
import io
import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from orrery.errors import Invalid
from orrery.jobs.parameters import read_parameters
from orrery_widgets import code
from orrery_widgets.answers import Given, picture_size, show_answer
from orrery_widgets.calls import in_curl, in_javascript, make_body
from orrery_widgets.chart import Curve, line_chart, ticks
from orrery_widgets.fields import FormField, group_fields, read_fields
from orrery_widgets.inputs import Input
from orrery_widgets.notebooks import fork_of, with_parameters, write_notebook
from orrery_widgets.page import asked, asked_all
from orrery_widgets.rows import read_columns, read_json, read_table, read_value, write_table, write_value
from orrery_widgets.run_columns import best_of, cells, usual_columns
from orrery_widgets.run_columns import read_columns as read_run_columns
from orrery_widgets.runs import Run, compare, differing_parameters, filter_runs, sort_runs
from orrery_widgets.sources import describe_cost
from orrery_widgets.trials import history, read_trial, trial_table

CELL = """
# -- Data --
target: Column = ""  #: The column to predict.
columns: list[Column] = []
# -- Training --
rounds: Annotated[int, Field(ge=1, le=10_000, title="Rounds")] = 200  #: How many trees.
rate: Annotated[float, Field(gt=0, le=1)] = 0.1
task: Literal["auto", "regression"] = "auto"
early: bool = False
limit: Optional[int] = None
widths: list[int] = [1, 2]
label: str
"""


def test_a_parameters_cell_becomes_the_fields_of_a_form() -> None:
    fields = {field.name: field for field in read_fields(read_parameters(CELL))}
    assert fields["target"] == FormField(
        "target", "Target", "column", help="The column to predict.", group="Data", default="", has_default=True
    )
    assert fields["rounds"] == FormField(
        name="rounds",
        title="Rounds",
        kind="integer",
        help="How many trees.",
        group="Training",
        default=200,
        has_default=True,
        bounds="1 to 10,000",
    )
    kinds = {name: field.kind for name, field in fields.items()}
    assert kinds == {
        "target": "column",
        "columns": "columns",
        "rounds": "integer",
        "rate": "number",
        "task": "choice",
        "early": "boolean",
        "limit": "integer",
        "widths": "json",
        "label": "text",
    }
    assert fields["rate"].bounds == "above 0, at most 1"
    assert fields["task"].choices == ("auto", "regression")
    assert [name for name, field in fields.items() if field.optional] == ["limit"]
    assert [name for name, field in fields.items() if field.required] == ["label"]
    assert list(group_fields(tuple(fields.values()))) == ["Data", "Training"]


def test_a_default_is_not_sent_and_true_is_not_one() -> None:
    fields = {field.name: field for field in read_fields(read_parameters(CELL))}
    assert fields["rounds"].is_default(200) and not fields["rounds"].is_default(201)
    assert not fields["early"].is_default(0)
    assert not fields["label"].is_default("")


def test_a_field_holds_what_would_be_sent() -> None:
    fields = {field.name: field for field in read_fields(read_parameters(CELL))}
    limit = Input(fields["limit"])
    assert limit.value is None
    limit.control.value = "12"
    assert limit.value == 12
    limit.control.value = "a dozen"
    with pytest.raises(Invalid, match="'a dozen'; write a whole number") as caught:
        _ = limit.value
    assert caught.value.details["fields"] == [{"path": "spec.parameters.limit", "message": caught.value.message}]
    widths = Input(fields["widths"], [3])
    assert widths.control.value == "[3]" and widths.value == [3]
    target = Input(fields["target"], "species")
    target.set_columns(["length", "species"])
    assert target.value == "species"
    target.set_columns(["length"])
    assert target.value == ""
    target.set_fault("no such column")
    assert "no such column" in target.fault
    target.control.value = "length"
    assert target.fault == "", "a change takes the fault away"


@pytest.mark.parametrize(
    "value",
    [1, 0.5, True, None, "it's", 'say "hi"', "a\nb\\c", [1, [2, "x"]], {"a": {"b": [1] * 60}}, "'\"", ["x" * 100] * 3],
)
def test_a_literal_reads_back_as_what_it_was(value: Any) -> None:
    assert eval(code.literal(value)) == value


def test_not_a_number_can_be_written_too() -> None:
    assert str(eval(code.literal([float("nan"), float("-inf")]))) == "[nan, -inf]"


def test_a_call_is_one_line_or_one_argument_a_line() -> None:
    assert code.call("client.train", "xgboost", name="a", experiment=None) == 'client.train("xgboost", name="a")'
    long = code.call("client.train", "xgboost", result="training", name="a" * 40, dataset="b" * 40)
    assert long.splitlines() == [
        "training = client.train(",
        '    "xgboost",',
        f'    name="{"a" * 40}",',
        f'    dataset="{"b" * 40}",',
        ")",
    ]
    compile(code.program(long), "panel", "exec")


def test_values_go_after_the_parameters_cell() -> None:
    notebook = {
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": "# It"},
            {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "rounds = 1"},
            {"cell_type": "code", "metadata": {"tags": ["injected-parameters"]}, "source": "rounds = 2"},
            {"cell_type": "code", "metadata": {}, "source": "print(rounds)"},
        ]
    }
    made = with_parameters(notebook, {"rounds": 3, "target": "a'b"})
    assert [cell["source"] for cell in made["cells"]] == [
        "# It",
        "rounds = 1",
        '# Parameters\nrounds = 3\ntarget = "a\'b"',
        "print(rounds)",
    ]
    assert len(notebook["cells"]) == 4 and len(with_parameters(notebook, {})["cells"]) == 3
    assert with_parameters({"cells": []}, {"a": 1})["cells"][0]["source"] == "# Parameters\na = 1"


def test_a_notebook_never_takes_anothers_place(tmp_path: Path) -> None:
    first = write_notebook({"cells": [1]}, "my run/1", tmp_path)
    assert first.name == "my-run-1.ipynb" and json.loads(first.read_text()) == {"cells": [1]}
    assert write_notebook({"cells": [1]}, "my run/1", tmp_path) == first, "the same content is the same notebook"
    assert write_notebook({"cells": [2]}, "my run/1", tmp_path).name == "my-run-1-2.ipynb"
    assert json.loads(first.read_text()) == {"cells": [1]}


def test_what_a_size_costs_is_said_in_words() -> None:
    gib = 1 << 30
    queue = {
        "items": [{}],
        "capacity": {
            "total": {"cores": 4.0, "memory_bytes": 16 * gib, "gpus": 1},
            "held": {"cores": 1.5, "memory_bytes": 4 * gib, "gpus": 0},
        },
    }
    assert describe_cost({"cores": 2.0, "memory_bytes": 8 * gib, "gpus": 1}, queue) == (
        "Holds 2 cores, 8 GiB, 1 GPU while it runs. Free now: 2.5 of 4 cores, 12 GiB of 16 GiB, 1 of 1 GPUs; "
        "1 job waits in the queue."
    )


def run(name: str, **given: Any) -> Run:
    facts: dict[str, Any] = {
        "id": name,
        "owner": "ann",
        "phase": "COMPLETE",
        "state": "Completed",
        "algorithm": "xgboost",
        "dataset": "iris@1",
        "experiment": "flowers",
        "experiment_id": "exp_1",
        "parameters": {},
        "metrics": {},
        "duration_seconds": 61.0,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Run(name=name, **{**facts, **given})


def test_runs_are_sorted_with_what_is_missing_last() -> None:
    runs = [
        run("a", metrics={"f1": 0.5}),
        run("b"),
        run("c", metrics={"f1": float("nan")}),
        run("d", metrics={"f1": 0.9}),
    ]
    assert [one.name for one in sort_runs(runs, "metric:f1", descending=True)] == ["d", "a", "b", "c"]
    assert [one.name for one in sort_runs(runs, "metric:f1", descending=False)] == ["a", "d", "b", "c"]
    mixed = [run("a", parameters={"x": "auto"}), run("b", parameters={"x": 3})]
    assert [one.name for one in sort_runs(mixed, "parameter:x", descending=False)] == ["b", "a"]


def test_runs_are_filtered_by_words_state_experiment_and_algorithm() -> None:
    runs = [run("a"), run("b", state="Failed"), run("c", experiment="", experiment_id="", algorithm="linear")]
    assert [one.name for one in filter_runs(runs, text="FLOW")] == ["a", "b"]
    assert [one.name for one in filter_runs(runs, state="Failed")] == ["b"]
    assert [one.name for one in filter_runs(runs, experiment="exp_1")] == ["a", "b"]
    assert [one.name for one in filter_runs(runs, experiment="ann/flowers", algorithm="orrery/xgboost")] == ["a", "b"]


def test_what_differs_comes_first_and_the_best_is_known_by_its_goal() -> None:
    first = run("a", parameters={"depth": 3, "seed": 1}, metrics={"f1": 0.5, "loss": 0.2})
    second = run("b", parameters={"seed": 1}, metrics={"f1": 0.7, "loss": 0.4, "auc": 0.9})
    lines = compare([first, second], {"f1": "maximize", "loss": "minimize"})
    differing = {line.what: (line.values, line.best) for line in lines if not line.is_same}
    assert differing == {
        "depth": ((3, None), ()),
        "f1": ((0.5, 0.7), (1,)),
        "loss": ((0.2, 0.4), (0,)),
        "auc": ((None, 0.9), ()),
    }
    assert [line.what for line in lines[-5:]] == ["Algorithm", "Dataset", "Phase", "Duration", "seed"]
    assert differing_parameters([first, second]) == ["depth"]


def test_a_default_is_what_it_is_and_no_value_where_the_algorithm_has_no_such_parameter() -> None:
    trees = {"defaults": {"depth": 6, "seed": 1}}
    runs = [
        run("deep", parameters={"depth": 9, "seed": 1.0}, metrics={"f1": 0.5}, **trees),
        run("usual", metrics={"f1": float("nan")}, **trees),
        run("linear", algorithm="linear", defaults={"seed": 1}, metrics={"f1": 0.7}),
    ]
    assert [one.parameter("depth") for one in runs] == [9, 6, None]
    assert differing_parameters(runs) == ["depth"], "the same seed, given or not, is one seed"
    assert {line.what: line.values for line in compare(runs)}["depth"] == (9, "6 (default)", None)
    assert [one.name for one in sort_runs(runs, "parameter:depth", descending=True)] == ["deep", "usual", "linear"]
    keys, unknown = read_run_columns(["depth", "f1", "duration", "metric:loss", "typo"], runs)
    assert keys == ["parameter:depth", "metric:f1", "duration", "metric:loss", "metric:typo"] and unknown == ["typo"]
    assert usual_columns(runs) == ["algorithm", "phase", "parameter:depth", "metric:f1", "duration"]
    best = best_of(runs, keys, {"f1": "maximize"})
    assert "<b>0.7</b>" in cells(runs[2], keys, best) and "–" in cells(runs[2], keys, best)
    assert "6: the default of xgboost" in cells(runs[1], keys, best) and ">NaN<" in cells(runs[1], keys, best)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), (3.0, 97.0, [0, 20, 40, 60, 80, 100]), (5.0, 5.0, None)],
)
def test_ticks_are_round_and_span_the_values(low: float, high: float, expected: list[float] | None) -> None:
    found = ticks(low, high, 6)
    assert found[0] <= low and found[-1] >= high and len(found) >= 2
    if expected is not None:
        assert found == pytest.approx(expected)  # pyright: ignore[reportUnknownMemberType]


def test_a_curve_breaks_where_a_value_is_not_a_number() -> None:
    nan = float("nan")
    drawn = line_chart([Curve("a<b", [(0, 1.0), (1, 0.5), (2, nan), (3, 0.4)])], label="loss")
    assert drawn.count("<polyline") == 1 and drawn.count("<circle") == 1
    assert "aria-label='loss: a&lt;b 0.4'" in drawn and "a<b" not in drawn
    assert "no points" in line_chart([Curve("a", [(0, nan)])], label="loss")


INPUTS = read_columns(
    [
        {"name": "length", "kind": "number", "nullable": True, "minimum": 1.0, "maximum": 6.9},
        {"name": "colour", "kind": "category", "nullable": True, "categories": ["red", "blue"]},
        {"name": "wet", "kind": "boolean", "nullable": False},
    ]
)


def test_a_pasted_table_becomes_rows() -> None:
    expected = [{"length": 5.1, "colour": "red", "wet": True}, {"length": None, "colour": "7", "wet": False}]
    assert read_table("length,colour,wet\n5.1,red,yes\n,7,0\n", INPUTS) == expected
    assert read_table("length\tcolour\twet\n5.1\tred\ttrue\n\t7\tfalse", INPUTS) == expected
    assert read_table(write_table(expected, INPUTS), INPUTS) == expected
    with pytest.raises(Invalid, match="line 2 of the table has 2 values; its header has 3"):
        read_table("length,colour,wet\n5.1,red", INPUTS)
    with pytest.raises(Invalid, match="length is 'wide'; write a number"):
        read_table("length\nwide", INPUTS)
    assert INPUTS[0].hint == "1 to 6.9"


def test_json_is_taken_as_instances_as_rows_or_as_one_row() -> None:
    assert read_json('{"instances": [{"a": 1}]}') == read_json('[{"a": 1}]') == read_json('{"a": 1}') == [{"a": 1}]
    for wrong in ("{", "3", "[]"):
        with pytest.raises(Invalid):
            read_json(wrong)


def test_an_answer_is_shown_as_what_it_is() -> None:
    bars = show_answer({"predictions": ["a"], "probabilities": [[0.25, 0.75]]}, ["<b>", "a"])
    assert bars.index("75.0%") < bars.index("25.0%") and "&lt;b&gt;" in bars and "width:75.0%" in bars
    assert "151.2" in show_answer({"predictions": [151.2]}, None)
    assert "<td>2</td>" not in show_answer({"predictions": [1.5, 2.5]}, None)
    assert "aria-label" in show_answer({"odd": 1}, None)


@pytest.mark.parametrize("format", ["PNG", "GIF", "JPEG"])
def test_a_pictures_size_is_read_so_that_boxes_fit(format: str) -> None:
    written = io.BytesIO()
    Image.new("RGB", (37, 21)).save(written, format)
    content = base64.b64encode(written.getvalue()).decode()
    assert picture_size(content) == (37, 21)
    box = {"xmin": 1, "ymin": 2, "xmax": 11, "ymax": 8}
    answer = {"predictions": [[{"label": "<cat>", "score": 0.5, "box": box}]]}
    shown = show_answer(answer, None, Given(picture=content))
    assert "viewBox='0 0 37 21'" in shown and "<rect x='1' y='2' width='10' height='6' " in shown
    assert "&lt;cat&gt;" in shown and "50.0%" in shown


def test_boxes_without_a_readable_picture_are_listed() -> None:
    answer = {"predictions": [[{"label": "cat", "box": dict.fromkeys(("xmin", "ymin", "xmax", "ymax"), 1)}]]}
    shown = show_answer(answer, None, Given(picture=base64.b64encode(b"RIFF?").decode()))
    assert "<svg" not in shown and "cat" in shown


def test_a_forecast_is_a_line_after_what_was_given() -> None:
    shown = show_answer({"predictions": [[3.0, None, 5.0]]}, None, Given(series=[1.0, 2.0]))
    assert "aria-label='Forecast: given 2, forecast 5'" in shown
    assert "forecast" in show_answer({"predictions": [[3.0]]}, None)


def test_values_of_every_kind_are_written_as_they_are_read() -> None:
    columns = read_columns([{"name": kind, "kind": kind} for kind in ("image", "series", "text", "number")])
    row: dict[str, Any] = {"image": {"b64": "AAEC"}, "series": [1.0, 2.5], "text": "a b", "number": 3}
    assert {one.name: read_value(write_value(row[one.name], one), one) for one in columns} == row
    with pytest.raises(Invalid, match="write numbers"):
        read_value("1, two", columns[1])


def test_a_fork_has_no_outputs_and_remembers_its_run() -> None:
    cell = {"cell_type": "code", "source": "a", "execution_count": 2, "outputs": [1], "metadata": {"papermill": {}}}
    made = fork_of({"cells": [cell], "metadata": {"papermill": {}, "kernelspec": {}}}, {"of": "a/b"})
    assert made == {
        "cells": [{"cell_type": "code", "source": "a", "execution_count": None, "outputs": [], "metadata": {}}],
        "metadata": {"kernelspec": {}, "orrery_fork": {"of": "a/b"}},
    }
    assert cell["outputs"] == [1], "the run's own stays as it is"


def test_a_call_is_written_for_the_shell_and_for_javascript() -> None:
    body = make_body([{"who": "it's"}], probabilities=True)
    curl = in_curl("http://h/endpoints/a/b/v1/models/b:predict", body, with_token=True)
    words = shlex.split(curl.replace("\\\n", ""))
    assert words[:3] == ["curl", "--fail-with-body", "http://h/endpoints/a/b/v1/models/b:predict"]
    assert json.loads(words[-1]) == body and "Authorization: Bearer $ORRERY_TOKEN" in words
    script = in_javascript("http://h/p", body, with_token=False)
    assert "Authorization" not in script and '"who": "it\'s"' in script


def test_a_dashboard_is_told_what_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERY_STRING", "id=trn_1,trn_2&id=trn_3&theme=dark")
    assert asked("id") == "trn_1,trn_2" and asked("name") is None
    assert asked_all("id") == ("trn_1", "trn_2", "trn_3")
    monkeypatch.delenv("QUERY_STRING")
    assert asked("id") is None and asked_all("id") == ()


def test_trials_that_were_stopped_show_where_they_stood_and_are_never_the_best() -> None:
    def trial(number: int, status: str, targets: list[float] | None) -> dict[str, Any]:
        return {"number": number, "status": status, "parameters": {}, "targets": targets}

    documents = [trial(0, "SUCCEEDED", [0.5]), trial(1, "EARLY_STOPPED", [0.9]), trial(2, "KILLED", None)]
    objectives = [{"metric": "auc", "goal": "maximize"}]
    trials = [read_trial(document, 1) for document in documents]
    assert [one.targets for one in trials] == [(0.5,), (None,), (None,)]
    drawn = history(trials, objectives, 0)
    assert "stopped before their end 0.9" in drawn and "best so far 0.5" in drawn
    assert "stopped before their end" not in history(trials[:1], objectives, 0)
    assert "0.9 (last)" in trial_table(trials, objectives, [], {0})
