"""What is better, what a workflow may be asked, and which deployment gives way. Pure."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from orrery.domain.records import Json
from orrery.domain.workflows import WorkflowSpec, judge, with_model

SPEC: Json = {"template": "quick", "dataset": "iris", "metric": "accuracy"}


def make_spec(**changes: Any) -> WorkflowSpec:
    return WorkflowSpec.model_validate({**SPEC, **changes})


@pytest.mark.parametrize(
    ("changes", "value", "best", "is_best", "words"),
    [
        ({}, 0.8, None, True, "accuracy 0.8 is the first, and so the best"),
        ({}, 0.9, 0.8, True, "accuracy 0.9 is better than the best before, 0.8"),
        ({}, 0.8, 0.8, False, "accuracy 0.8 is the same as the best, 0.8"),
        ({}, 0.7, 0.8, False, "accuracy 0.7 is worse than the best, 0.8"),
        ({"direction": "minimize"}, 0.7, 0.8, True, "accuracy 0.7 is better than the best before, 0.8"),
        ({"direction": "minimize"}, 0.9, 0.8, False, "accuracy 0.9 is worse than the best, 0.8"),
        (
            {"minimum_gain": 0.25},
            0.75,
            0.625,
            False,
            "accuracy 0.75 is better than 0.625, but by 0.125, less than the 0.25 asked for",
        ),
        ({"minimum_gain": 0.125}, 0.75, 0.625, True, "accuracy 0.75 is better than the best before, 0.625"),
    ],
)
def test_a_value_is_judged_by_direction_and_gain(
    changes: Json, value: float, best: float | None, is_best: bool, words: str
) -> None:
    verdict = judge(make_spec(**changes), value, best)
    assert (verdict.is_best, verdict.words) == (is_best, words)


@pytest.mark.parametrize(
    "changes", [{"minimum_gain": -1}, {"minimum_gain": float("nan")}, {"metric": " "}, {"role": "a b"}]
)
def test_a_spec_that_makes_no_sense_is_refused(changes: Json) -> None:
    with pytest.raises(ValidationError):
        make_spec(**changes)


def test_a_model_takes_the_place_of_its_own_earlier_version_else_of_the_one_with_the_most_traffic() -> None:
    deployments = [
        {"model": "mdl_a", "replicas": 1, "traffic": 20},
        {"model": "mdl_b", "replicas": 2, "traffic": 80},
    ]
    assert with_model(deployments, "mdl_new", {"mdl_a": True, "mdl_b": False}) == [
        {"model": "mdl_new", "replicas": 1, "traffic": 20},
        {"model": "mdl_b", "replicas": 2, "traffic": 80},
    ]
    assert with_model(deployments, "mdl_new", {}) == [
        {"model": "mdl_a", "replicas": 1, "traffic": 20},
        {"model": "mdl_new", "replicas": 2, "traffic": 80},
    ]
    assert with_model(deployments, "mdl_b", {}) is None
