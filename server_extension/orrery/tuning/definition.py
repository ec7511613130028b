"""What the search process is told of a study, and what it answers. Plain data: it crosses a pipe as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

#: the file in a study's folder that Optuna keeps it in
JOURNAL: Final = "journal.log"


@dataclass(frozen=True)
class Definition:
    """A study. `space` and `objectives` are as a tuning's spec has them, every dimension with its type."""

    id: str
    #: the folder with its journal
    folder: str
    space: Mapping[str, Mapping[str, Any]]
    #: one for each objective
    directions: Sequence[Literal["maximize", "minimize"]]
    sampler: str = "tpe"
    seed: int | None = None
    early_stop: str = "none"
    min_trials: int = 5
    start_step: int = 0


@dataclass(frozen=True)
class EarlierRun:
    """A run that the search knows from the beginning; `name` tells it from others."""

    name: str
    parameters: Mapping[str, Any]
    values: Sequence[float]


@dataclass(frozen=True)
class Suggestion:
    """What is to be tried next."""

    number: int
    parameters: Mapping[str, Any]
