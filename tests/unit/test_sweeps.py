"""Sweeps and templates as far as they are pure: the plan, what is typed, what is laid over what."""

from __future__ import annotations

import pytest

from orrery.client.cli.sweeps import parse_sweep
from orrery.client.templates import merged
from orrery.controllers.sweeps import MAX_RUNS, plan_sweep
from orrery.errors import Invalid

BASE = {"algorithm": "xgboost", "datasets": {"train": "iris"}, "parameters": {"target": "species", "eta": 0.1}}


def test_every_combination_is_run_the_last_changing_fastest() -> None:
    runs = plan_sweep("s", BASE, {"max_depth": [2, 4], "eta": [0.1, 0.3]}, [])
    assert [(run.name, run.label) for run in runs] == [
        ("s-1", "max_depth=2, eta=0.1"),
        ("s-2", "max_depth=2, eta=0.3"),
        ("s-3", "max_depth=4, eta=0.1"),
        ("s-4", "max_depth=4, eta=0.3"),
    ]
    assert runs[3].spec == {**BASE, "parameters": {"target": "species", "max_depth": 4, "eta": 0.3}}


def test_datasets_are_laid_over_those_of_the_base_and_names_sort_as_they_run() -> None:
    base = {**BASE, "datasets": {"train": "iris", "test": "held-out"}}
    runs = plan_sweep("s", base, {"max_depth": list(range(5))}, [{"train": "a"}, {"train": "b"}])
    assert [run.name for run in runs] == sorted(run.name for run in runs)
    assert (runs[0].name, runs[0].label) == ("s-01", "train=a, max_depth=0")
    assert runs[9].spec["datasets"] == {"train": "b", "test": "held-out"}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "nothing says what to sweep over; give values"),
        ({"eta": []}, "hyperparameter 'eta' has no values"),
        ({"eta": [0.1] * (MAX_RUNS + 1)}, f"the sweep has {MAX_RUNS + 1} trainings; at most {MAX_RUNS}"),
    ],
)
def test_a_sweep_of_nothing_or_too_much_is_refused(parameters: dict[str, list[float]], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        plan_sweep("s", BASE, parameters, [])


def test_what_is_typed_is_read_as_values_and_datasets() -> None:
    assert parse_sweep(["max_depth=2,4", "booster=gbtree, dart", "weights=[[1, 2], [3]]", "dataset=iris,wine@2"]) == (
        {"max_depth": [2, 4], "booster": ["gbtree", "dart"], "weights": [[1, 2], [3]]},
        [{"train": "iris"}, {"train": "wine@2"}],
    )
    with pytest.raises(Invalid, match=r"--sweep eta= has no values"):
        parse_sweep(["eta="])


def test_what_is_said_goes_over_a_template_one_by_one() -> None:
    template = {**BASE, "experiment": None, "priority": "LOW"}
    assert merged(template, {"parameters": {"eta": 0.5}, "priority": None, "experiment": "e", "environment": {}}) == {
        **BASE,
        "parameters": {"target": "species", "eta": 0.5},
        "priority": "LOW",
        "experiment": "e",
        "environment": {},
    }
