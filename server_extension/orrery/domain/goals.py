"""Which way a metric is better where nobody says: its name tells. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

Goal = Literal["maximize", "minimize"]

#: found in the name of a metric of which less is better, in small letters or large; JavaScript reads it too
LOWER_IS_BETTER: Final = (
    r"(^|[_\-. /])(loss|logloss|nll|error|err|mae|mse|rmse|msle|rmsle|mape|smape|perplexity|ppl|wer|cer|deviance"
    r"|brier|fid|duration|seconds|latency)($|[_\-. /@0-9])"
)


#: the same of those of which more is better
HIGHER_IS_BETTER: Final = (
    r"(^|[_\-. /])(accuracy|acc|auc|f1|f[-_ ]?score|precision|recall|r2|map|ap|ndcg|bleu|rouge|iou|score|gini|mcc"
    r"|kappa)($|[_\-. /@0-9])"
)

#: both, for whoever is to tell from a name: `GET /api/v1/kinds` answers with them
WORDS: Final[Mapping[Goal, str]] = {"minimize": LOWER_IS_BETTER, "maximize": HIGHER_IS_BETTER}


def known_goal(metric: str) -> Goal | None:
    """What its name says; None where it says nothing, as of `bananas` or `rows`."""
    return next((goal for goal, words in WORDS.items() if re.search(words, metric, re.IGNORECASE)), None)


def guess_goal(metric: str) -> Goal:
    """`validation_log_loss` is to be small; what does not say so is to be large."""
    return known_goal(metric) or "maximize"
