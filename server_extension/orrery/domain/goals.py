"""Which way a metric is better where nobody says: its name tells. Pure."""

from __future__ import annotations

import re
from typing import Final, Literal

Goal = Literal["maximize", "minimize"]

#: found in the name of a metric of which less is better, in small letters or large; JavaScript reads it too
LOWER_IS_BETTER: Final = (
    r"(^|[_\-. /])(loss|logloss|nll|error|err|mae|mse|rmse|msle|rmsle|mape|smape|perplexity|ppl|wer|cer|deviance"
    r"|brier|fid|duration|seconds|latency)($|[_\-. /@0-9])"
)


def guess_goal(metric: str) -> Goal:
    """`validation_log_loss` is to be small; what does not say so is to be large."""
    return "minimize" if re.search(LOWER_IS_BETTER, metric, re.IGNORECASE) else "maximize"
