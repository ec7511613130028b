"""The typed parameters cell: read without being run, and values checked in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orrery.errors import Invalid
from orrery.jobs.checks import describe
from orrery.jobs.declaration import read_algorithm
from orrery.jobs.parameters import UNCHECKED, UNKNOWN_DEFAULT, read_parameters, validate


def one(line: str) -> dict[str, Any]:
    """The schema of the only parameter, without its title."""
    (schema,) = read_parameters(line)["properties"].values()
    schema.pop("title")
    return schema


@pytest.mark.parametrize(
    ("line", "schema"),
    [
        ("x: int = 1", {"type": "integer", "default": 1}),
        ("x: float = 1", {"type": "number", "default": 1.0}),
        ("x: str = 'a'", {"type": "string", "default": "a"}),
        ("x: bool = True", {"type": "boolean", "default": True}),
        ("x: int | None = None", {"type": ["integer", "null"], "default": None}),
        ("x: Optional[float] = 2", {"type": ["number", "null"], "default": 2.0}),
        ("x: Literal['a', 'b'] = 'a'", {"enum": ["a", "b"], "type": "string", "default": "a"}),
        ("x: Literal[1, 2] | None = None", {"enum": [1, 2, None], "type": ["integer", "null"], "default": None}),
        ("x: list[int] = [1, 2]", {"type": "array", "items": {"type": "integer"}, "default": [1, 2]}),
        ("x: list = ()", {"type": "array", "default": []}),
        ("x: dict[str, int] = {}", {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}}),
        ("x: int | str = 1", {"type": ["integer", "string"], "default": 1}),
        ("x: 'int' = -1", {"type": "integer", "default": -1}),
        ("x: typing.Optional[int] = None", {"type": ["integer", "null"], "default": None}),
        ("x: Column = ''", {"type": "string", "x-orrery-column": True, "default": ""}),
        ("x: list[Column] = []",
         {"type": "array", "items": {"type": "string", "x-orrery-column": True}, "default": []}),
        ("x = 3", {"type": "integer", "default": 3}),
        ("x = None", {UNCHECKED: True, "default": None}),
        ("x: int = os.cpu_count()", {"type": "integer", UNKNOWN_DEFAULT: True}),
        ("x: datetime.date = date(2026, 1, 1)", {UNCHECKED: True, UNKNOWN_DEFAULT: True}),
        ("x: Annotated[int, Field(ge=1, le=32)] = 6", {"type": "integer", "minimum": 1, "maximum": 32, "default": 6}),
        ("x: Annotated[float, Field(gt=0, lt=1, multiple_of=0.1, description='d')] = 0.5",
         {"description": "d", "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "multipleOf": 0.1,
          "default": 0.5}),
        ("x: Annotated[int | None, Field(ge=1)] = None", {"type": ["integer", "null"], "minimum": 1, "default": None}),
        ("x: Annotated[str, 'what it is'] = ''", {"description": "what it is", "type": "string", "default": ""}),
        ("x: Annotated[list[str], Field(min_length=1)] = ['a']",
         {"type": "array", "items": {"type": "string"}, "minItems": 1, "default": ["a"]}),
        ("x: Annotated[int, Field(json_schema_extra={'x-orrery-group': 'Trees'})] = 1",
         {"type": "integer", "x-orrery-group": "Trees", "default": 1}),
    ],
)  # fmt: skip
def test_types_are_read(line: str, schema: dict[str, Any]) -> None:
    assert one(line) == schema


def test_order_help_groups_and_titles() -> None:
    schema = read_parameters(
        "%matplotlib inline\n"
        "import os\n"
        "_private = 1\n"
        "# -- Data --\n"
        "target: str = ''  #: the column to predict\n"
        "#: How fast it goes,\n"
        "#: in two lines.\n"
        "learning_rate: float = 0.1\n"
        "# === Trees ===\n"
        "depth: Annotated[\n"
        "    int,\n"
        "    Field(title='Depth of trees'),  #: inside\n"
        "] = 3\n"
        "needed: int\n"
    )
    assert list(schema["properties"]) == ["target", "learning_rate", "depth", "needed"]
    assert [entry.get("description") for entry in schema["properties"].values()] == [
        "the column to predict",
        "How fast it goes, in two lines.",
        "inside",
        None,
    ]
    assert [entry["title"] for entry in schema["properties"].values()] == [
        "Target",
        "Learning rate",
        "Depth of trees",
        "Needed",
    ]
    assert [entry["x-orrery-group"] for entry in schema["properties"].values()] == ["Data", "Data", "Trees", "Trees"]
    assert schema["required"] == ["needed"]


def test_reading_runs_nothing(tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    read_parameters(f"x: int = open({str(trap)!r}, 'w').write('x')\nopen({str(trap)!r}, 'w')")
    assert not trap.exists()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x: int = = 1", "not Python"),
        ("x: Annotated[int, Field(ge=LOWEST)] = 1", "ge of parameter 'x' is 'LOWEST'"),
        ("x: Literal[A] = 1", "a choice of parameter 'x'"),
    ],
)
def test_a_cell_that_cannot_be_read_says_why(source: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        read_parameters(source)


SCHEMA = read_parameters(
    "rate: Annotated[float, Field(gt=0, le=1)] = 0.1\n"
    "depth: Annotated[int | None, Field(ge=1, le=32)] = None\n"
    "task: Literal['auto', 'regression'] = 'auto'\n"
    "on: bool = False\n"
    "sizes: list[Annotated[int, Field(ge=1)]] = [1]\n"
    "name: str = ''\n"
)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"rate": 1}, {"rate": 1.0}),
        ({"rate": "0.5", "depth": "7", "on": "true"}, {"rate": 0.5, "depth": 7, "on": True}),
        ({"depth": None}, {"depth": None}),
        ({"depth": "none"}, {"depth": None}),
        ({"depth": 3.0}, {"depth": 3}),
        ({"sizes": "1, 2"}, {"sizes": [1, 2]}),
        ({"name": "5"}, {"name": "5"}),
        ({}, {}),
    ],
)
def test_values_come_back_in_the_schemas_types(given: dict[str, Any], kept: dict[str, Any]) -> None:
    found = validate(SCHEMA, given)
    assert found == kept
    assert {name: type(value) for name, value in found.items()} == {name: type(value) for name, value in kept.items()}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rate": 0}, "parameter 'rate' is 0; it must be a number above 0 and at most 1"),
        ({"rate": float("nan")}, "parameter 'rate' is nan; it must be a number above 0 and at most 1"),
        ({"depth": 99}, "parameter 'depth' is 99; it must be a whole number from 1 to 32, or empty"),
        ({"depth": 2.5}, "parameter 'depth' is 2.5; it must be a whole number from 1 to 32, or empty"),
        ({"depth": True}, "parameter 'depth' is True; it must be a whole number from 1 to 32, or empty"),
        ({"task": "regresion"},
         "parameter 'task' is 'regresion'; it must be one of 'auto', 'regression'; did you mean 'regression'?"),
        ({"rte": 1}, "there is no parameter 'rte'; did you mean 'rate'?"),
        ({"zzz": 1}, "there is no parameter 'zzz'; this algorithm takes: rate, depth, task, on, sizes, name"),
        ({"sizes": [1, 0]},
         "parameter 'sizes' is [1, 0]; it must be a list where each entry is a whole number of at least 1 "
         "(entry 2 is 0)"),
        ({"on": "maybe"}, "parameter 'on' is 'maybe'; it must be true or false"),
        ({"name": 5}, "parameter 'name' is 5; it must be text"),
        ({"rate": "1e999"}, "parameter 'rate' is '1e999'; it must be a finite number"),
        ({"depth": "99999999999999999999"},
         "parameter 'depth' is '99999999999999999999'; it must be a whole number of 64 bits"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_named_with_what_would(given: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as refused:
        validate(SCHEMA, given)
    assert refused.value.message == message
    assert refused.value.details["fields"] == [{"path": f"parameters.{next(iter(given))}", "message": message}]


def test_all_faults_are_listed() -> None:
    with pytest.raises(Invalid) as refused:
        validate(SCHEMA, {"rate": 7, "depth": 0, "on": True}, path="spec.parameters")
    fields = refused.value.details["fields"]
    assert isinstance(fields, list)
    assert [field["path"] for field in fields] == ["spec.parameters.rate", "spec.parameters.depth"]  # pyright: ignore[reportUnknownVariableType]
    assert refused.value.message.endswith("(and 1 more)")


def test_a_missing_required_parameter_is_named() -> None:
    with pytest.raises(Invalid, match="parameter 'n' is missing; it must be given and be a whole number"):
        validate(read_parameters("n: int"), {})


def test_ranges_in_words() -> None:
    assert describe({"type": "number", "minimum": 0, "exclusiveMaximum": 1}) == "a number of at least 0 and below 1"


def notebook(path: Path, metadata: dict[str, Any], source: str = "x: int = 1") -> Path:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# A heading\n", "text"]},
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source.splitlines(keepends=True)},
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


def test_an_algorithm_declares_itself(tmp_path: Path) -> None:
    own = {
        "title": "Forest",
        "scenario": "tabular",
        "task": "classification",
        "metrics": [{"name": "roc_auc"}, {"name": "rmse", "goal": "minimize"}],
        "datasets": [{"name": "train", "required": True}],
    }
    algorithm = read_algorithm(notebook(tmp_path / "random-forest.ipynb", {"orrery": own}))
    assert (algorithm.name, algorithm.title, algorithm.task) == ("random-forest", "Forest", ("classification",))
    assert [metric.goal for metric in algorithm.metrics] == [None, "minimize"]
    assert algorithm.datasets[0].required
    assert list(algorithm.parameters["properties"]) == ["x"]


def test_a_plain_notebook_is_an_algorithm_too(tmp_path: Path) -> None:
    algorithm = read_algorithm(notebook(tmp_path / "mine.ipynb", {}))
    assert (algorithm.name, algorithm.title, algorithm.kernel_name) == ("mine", "A heading", "python3")


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"metrics": [{"goal": "maximize"}]}, "orrery.metrics has"),
        ({"metrics": [{"name": "a", "goal": "up"}]}, "goal of metric 'a' is 'up'"),
        ({"datasets": [{"name": "my data"}]}, "letters, digits and '_'"),
        ({"title": 3}, "orrery.title is 3"),
    ],
)
def test_a_wrong_declaration_names_the_file_and_the_field(own: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        read_algorithm(notebook(tmp_path / "bad.ipynb", {"orrery": own}))
    assert refused.value.message.startswith("bad.ipynb: ") and words in refused.value.message


def test_what_is_no_notebook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("[]")
    with pytest.raises(Invalid, match="not a Jupyter notebook"):
        read_algorithm(tmp_path / "a.ipynb")


def test_what_is_required_and_left_out_gets_the_schemas_default() -> None:
    schema = {
        "properties": {"rate": {"type": "number", "default": 0.1}, "depth": {"type": "integer", "default": 3}},
        "required": ["rate"],
    }
    # what is not required has its default where the code has it
    assert validate(schema, {}) == {"rate": 0.1}
    assert validate(schema, {"rate": "0.5"}) == {"rate": 0.5}
