"""The pure parts of panels: fields from a schema, calls as Python, notebooks with values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orrery.errors import Invalid
from orrery.jobs.parameters import read_parameters
from orrery_widgets import code
from orrery_widgets.fields import FormField, group_fields, read_fields
from orrery_widgets.inputs import Input
from orrery_widgets.notebooks import with_parameters, write_notebook
from orrery_widgets.sources import describe_cost

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
