"""A tuning's trials as rows that can be sorted, drawn and told apart. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orrery.client.displays import duration_text
from orrery_widgets import chart, parts
from orrery_widgets.runs import sort_by

Objectives = Sequence[Mapping[str, str]]
_OPEN: Final = frozenset({"CREATED", "RUNNING"})
_CUT_SHORT: Final = frozenset({"KILLED", "EARLY_STOPPED"})
TARGET, PARAMETER = "target:", "parameter:"
#: what the platform counts, in its order, and what it is called here
_COUNTS: Final = (
    ("completed", "completed"),
    ("running", "running"),
    ("waiting", "waiting"),
    ("failed", "failed"),
    ("early_stopped", "stopped early"),
    ("killed", "stopped"),
)


@dataclass(frozen=True)
class Trial:
    """What a table shows of one trial."""

    number: int
    status: str
    parameters: Mapping[str, Any]
    #: one for each objective; None where it has not succeeded
    targets: tuple[float | None, ...]
    duration_seconds: float | None
    #: the training's name; empty when it has been purged
    training: str
    training_id: str
    message: str
    #: one for each objective, of one that was stopped before its end: what it reported last; else empty
    last: tuple[float | None, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.status in _OPEN

    def value(self, order: str) -> Any:
        """What it is sorted by under `order`; None where it has none."""
        if order.startswith(TARGET):
            return self.targets[int(order.removeprefix(TARGET))]
        if order.startswith(PARAMETER):
            return self.parameters.get(order.removeprefix(PARAMETER))
        return {"number": self.number, "status": self.status, "duration": self.duration_seconds}[order]


def read_trial(document: Mapping[str, Any], objectives: int) -> Trial:
    """From the platform's answer; what a trial reached counts only when it has succeeded."""
    training: Mapping[str, Any] = document.get("training") or {}
    given: Sequence[float | None] = document.get("targets") or ()
    is_known = len(given) == objectives
    targets = tuple(given) if document["status"] == "SUCCEEDED" and is_known else (None,) * objectives
    return Trial(
        number=document["number"],
        status=document["status"],
        parameters=document["parameters"],
        targets=targets,
        duration_seconds=document.get("duration_seconds"),
        training=str(training.get("name") or ""),
        training_id=str(training.get("id") or ""),
        message=str(training.get("message") or ""),
        last=tuple(given) if document["status"] in _CUT_SHORT and is_known else (),
    )


def settled_before(trials: Sequence[Trial]) -> list[Trial]:
    """Those before the first that may still change."""
    first = next((place for place, trial in enumerate(trials) if trial.is_open), len(trials))
    return list(trials[:first])


def parameter_names(trials: Iterable[Trial]) -> list[str]:
    """In the order in which they first come."""
    return list(dict.fromkeys(name for trial in trials for name in trial.parameters))


def orders(objectives: Objectives, parameters: Iterable[str]) -> list[parts.Choice]:
    """What the table can be sorted by."""
    found: list[parts.Choice] = [("Trial", "number"), ("Status", "status"), ("Duration", "duration")]
    found += [(objective["metric"], f"{TARGET}{place}") for place, objective in enumerate(objectives)]
    return [*found, *((f"Parameter {name}", f"{PARAMETER}{name}") for name in parameters)]


def sort_trials(trials: Iterable[Trial], order: str, *, descending: bool) -> list[Trial]:
    """Trials without a value come last either way."""
    return sort_by(trials, lambda trial: trial.value(order), descending=descending)


def history(trials: Sequence[Trial], objectives: Objectives, place: int) -> str:
    """The objective at `place`: each trial as a point, and the best so far as steps, as HTML.

    Those that were stopped before their end are points of their own, where they stood last.
    """
    objective = objectives[place]
    reached = _points(trials, lambda trial: trial.targets[place])
    stopped = _points(trials, lambda trial: trial.last[place] if trial.last else None)
    better = max if objective["goal"] == "maximize" else min
    best: list[tuple[float, float]] = []
    for number, value in reached:
        best.append((number, better(best[-1][1], value) if best else value))
    curves = [chart.Curve("trials", reached, look="points"), chart.Curve("best so far", best, look="steps")]
    if stopped:
        curves.append(chart.Curve("stopped before their end", stopped, look="points"))
    return chart.line_chart(curves, label=objective["metric"], x_label="trial")


def _points(trials: Sequence[Trial], read: Callable[[Trial], float | None]) -> list[tuple[float, float]]:
    values = ((trial.number, read(trial)) for trial in trials)
    return [(float(number), value) for number, value in values if value is not None and math.isfinite(value)]


def counts(outputs: Mapping[str, Any], most: int) -> str:
    """`12 of 20 trials: 9 completed, 1 running, 1 waiting, 1 failed`, as HTML."""
    known: Mapping[str, int] = outputs.get("trials") or {}
    words = [f"{known[key]} {word}" for key, word in _COUNTS if known.get(key)]
    total = known.get("total", 0)
    told = f"{total} of {parts.plural(most, 'trial')}" + (f": {', '.join(words)}" if words else "")
    return f"<div role='status'>{told}</div>"


def trial_table(trials: Sequence[Trial], objectives: Objectives, parameters: Sequence[str], best: set[int]) -> str:
    """A page of trials, as HTML."""
    goals = {"maximize": "max", "minimize": "min"}
    head = ["Trial", "Status", *(f"{one['metric']} ({goals[one['goal']]})" for one in objectives), *parameters]
    rows = [
        [
            f"{trial.number} (best)" if trial.number in best else str(trial.number),
            trial.status,
            *([f"{parts.shown(value)} (last)" for value in trial.last] or trial.targets),
            *(trial.parameters.get(name) for name in parameters),
            None if trial.duration_seconds is None else duration_text(trial.duration_seconds),
            trial.training or "deleted",
        ]
        for trial in trials
    ]
    return parts.table([*head, "Duration", "Training"], rows, caption="Trials")


def best_table(found: Sequence[Mapping[str, Any]], objectives: Objectives) -> str:
    """The best trial as facts; of several objectives, those that no other beats, one a line. As HTML."""
    if not found:
        return parts.soft("It appears as soon as a trial has succeeded.")
    if len(objectives) == 1:
        facts: list[tuple[str, Any]] = [(objectives[0]["metric"], found[0]["value"]), ("Trial", found[0]["trial"])]
        return parts.facts([*facts, *found[0]["parameters"].items()], "Best trial")
    rows = [
        (
            str(one["trial"]),
            *one["values"],
            ", ".join(f"{name} {parts.shown(value)}" for name, value in one["parameters"].items()),
        )
        for one in found
    ]
    head = ["Trial", *(objective["metric"] for objective in objectives), "Parameters"]
    return parts.table(head, rows, caption="Trials that no other beats in every objective")
