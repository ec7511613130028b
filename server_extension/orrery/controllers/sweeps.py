"""Sweeps: several trainings from one, over hyperparameters and datasets. The plan is pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Final, cast

from orrery.domain.records import Json
from orrery.errors import Invalid

MAX_RUNS: Final = 200


@dataclass(frozen=True)
class SweepRun:
    name: str
    #: what is its own: "max_depth=4, train=iris@2"
    label: str
    spec: Json


def plan_sweep(
    name: str, base: Json, parameters: Mapping[str, Sequence[Any]], datasets: Sequence[Mapping[str, str]]
) -> list[SweepRun]:
    """Every combination of the values, in the order given; the last hyperparameter changes fastest.

    `datasets`: each is laid over the base's datasets. Raises: Invalid for none, or more than `MAX_RUNS`.
    """
    for key, values in parameters.items():
        if not values:
            raise _invalid(f"parameters.{key}", f"hyperparameter {key!r} has no values to try; give at least one")
    count = prod(map(len, parameters.values())) * max(1, len(datasets))
    if not parameters and not datasets:
        raise _invalid("parameters", "nothing says what to sweep over; give values of a hyperparameter, or datasets")
    if count > MAX_RUNS:
        raise _invalid(
            "parameters", f"the sweep has {count} trainings; at most {MAX_RUNS} are possible: try fewer values"
        )
    runs: list[SweepRun] = []
    common_datasets, common_parameters = (cast("Json", base.get(part) or {}) for part in ("datasets", "parameters"))
    for chosen, *values in product(datasets or [{}], *parameters.values()):
        own = dict(zip(parameters, values, strict=True))
        spec: Json = {
            **base,
            "datasets": {**common_datasets, **chosen},
            "parameters": {**common_parameters, **own},
        }
        label = ", ".join(f"{key}={value}" for key, value in {**chosen, **own}.items())
        runs.append(SweepRun(f"{name}-{len(runs) + 1:0{len(str(count))}}", label, spec))
    return runs


def _invalid(path: str, message: str) -> Invalid:
    return Invalid(message, fields=[{"path": path, "message": message}])
