"""Which rows train, which steer the training, which are held out: by labels where there are any, else by chance.

Classes keep their shares in each part. The same seed gives the same parts on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from orrery.jobs.tabular.data import Data, Part, Problem
from orrery.jobs.tabular.problems import BadData
from orrery.jobs.tabular.showing import Grid

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Split:
    training: Part
    #: None where none was asked for
    validation: Part | None
    testing: Part
    #: where each part comes from, in words
    origins: dict[str, str]

    def _repr_html_(self) -> str:
        parts = {"training": self.training, "validation": self.validation, "testing": self.testing}
        rows = [(name, len(part) if part else 0, self.origins.get(name, "none")) for name, part in parts.items()]
        return Grid(("part", "rows", "from"), rows)._repr_html_()  # pyright: ignore[reportPrivateUsage]


def split(data: Data, problem: Problem, *, test_fraction: float, validation_fraction: float, seed: int) -> Split:
    """Labelled rows keep their purpose; the fractions are of the rows that are left to be split.

    Raises: BadData, reported already, where a part would be empty or lack a class.
    """
    try:
        return _split(data, problem, test_fraction, validation_fraction, seed)
    except BadData as bad:
        from orrery.jobs import report

        report.error(bad.code, bad.message, **bad.details)
        raise


def _split(data: Data, problem: Problem, test_fraction: float, validation_fraction: float, seed: int) -> Split:
    generator = np.random.default_rng(seed)
    strata = problem.target if problem.is_classification else None
    rows = {purpose: np.nonzero(data.purposes == purpose)[0] for purpose in ("training", "validation", "testing", "")}
    free = rows[""]
    origins = {"training": "the training dataset"}
    testing, validation = rows["testing"], rows["validation"]
    if len(testing):
        origins["testing"] = "rows given for testing"
    elif len(validation) and not len(free):
        # Everything is labelled and nothing is for testing: the validation rows are what was held out.
        testing, origins["testing"] = validation, "rows given for validation"
    else:
        # With a given validation part, the test rows still come out of the rest.
        pool = free if len(free) else rows["training"]
        taken, left = _take(pool, strata, test_fraction, generator)
        testing, origins["testing"] = taken, f"{test_fraction:.0%} of the rows, by chance"
        free, rows["training"] = (left, rows["training"]) if len(free) else (free, left)
    if len(validation):
        origins["validation"] = "rows given for validation"
    elif validation_fraction > 0:
        pool = free if len(free) else rows["training"]
        # The fraction is of all rows to be split, also of those already held out.
        was_cut = "chance" in origins["testing"]
        share = min(0.9, validation_fraction / (1 - test_fraction)) if was_cut else validation_fraction
        validation, left = _take(pool, strata, share, generator)
        origins["validation"] = f"{validation_fraction:.0%} of the rows, by chance"
        free, rows["training"] = (left, rows["training"]) if len(free) else (free, left)
    training = np.sort(np.concatenate([rows["training"], free]))
    _check(training, testing, problem, data)
    target = problem.target
    return Split(
        data.take(training, target),
        data.take(validation, target) if len(validation) else None,
        data.take(testing, target),
        origins,
    )


def _take(pool: Array, strata: Array | None, fraction: float, generator: np.random.Generator) -> tuple[Array, Array]:
    """(taken, left): about `fraction` of the pool, of each stratum where there are any; one of each stays."""
    groups = [pool] if strata is None else [pool[strata[pool] == value] for value in np.unique(strata[pool])]
    taken: list[Array] = []
    for group in groups:
        count = round(len(group) * fraction)
        count = min(max(count, 1 if len(group) > 1 else 0), len(group) - 1) if len(group) else 0
        taken.append(generator.permutation(group)[:count])
    chosen = np.sort(np.concatenate(taken)) if taken else pool[:0]
    return chosen, np.setdiff1d(pool, chosen)


def _check(training: Array, testing: Array, problem: Problem, data: Data) -> None:
    if len(training) < 2 or not len(testing):
        raise BadData(
            f"{len(data)} rows are too few: {len(training)} would be left for training and {len(testing)} for testing; "
            "add rows, or change the fractions"
        )
    if problem.classes is not None:
        there = set(np.unique(problem.target[training]).tolist())
        missing = [value for place, value in enumerate(problem.classes) if place not in there]
        if missing:
            raise BadData(
                f"class {missing[0]!r} of target {data.target.name!r} has no training row; add rows of it, "
                "or change the purposes of the files",
                value=missing[0],
            )
