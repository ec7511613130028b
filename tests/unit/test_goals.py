import pytest

from orrery.domain.algorithms import MetricDeclaration
from orrery.domain.goals import guess_goal, known_goal
from orrery.domain.tunings import Objective


@pytest.mark.parametrize(
    "metric",
    [
        *("loss", "Loss", "log_loss", "logloss", "validation_log_loss", "val/loss", "train-rmse", "mse", "mae"),
        *("perplexity", "deviance", "mean squared error", "error@1", "seconds"),
    ],
)
def test_of_a_loss_or_an_error_less_is_better(metric: str) -> None:
    assert guess_goal(metric) == "minimize"


@pytest.mark.parametrize("metric", ["accuracy", "roc_auc", "f1", "glossary", "mirror", "r2", ""])
def test_of_all_else_more_is_better(metric: str) -> None:
    assert guess_goal(metric) == "maximize"


@pytest.mark.parametrize(
    ("metric", "goal"),
    [
        *(("roc_auc", "maximize"), ("mAP", "maximize"), ("val/accuracy", "maximize"), ("f1", "maximize")),
        *(("mape", "minimize"), ("log_loss", "minimize"), ("duration_seconds", "minimize")),
        *(("bananas", None), ("rows", None), ("epoch", None)),
    ],
)
def test_where_a_name_says_nothing_it_is_not_known_what_is_better(metric: str, goal: str | None) -> None:
    assert known_goal(metric) == goal


def test_a_goal_is_told_by_the_name_only_where_it_is_not_given() -> None:
    assert MetricDeclaration.model_validate({"name": "loss"}).goal == "minimize"
    assert MetricDeclaration.model_validate({"name": "loss", "goal": "maximize"}).goal == "maximize"
    assert Objective.model_validate({"metric": "rmse"}).goal == "minimize"
    assert Objective.model_validate({"metric": "accuracy"}).goal == "maximize"
