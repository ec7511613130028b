"""Trainings as rows that can be sorted, filtered and set side by side. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from orrery.client import Training
from orrery.client.displays import duration_text

#: what every table can be sorted by, besides its metrics and parameters
COMMON_ORDERS: Final = (("Created", "created"), ("Name", "name"), ("Duration", "duration"))
METRIC, PARAMETER = "metric:", "parameter:"
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Run:
    """What a table shows of one training."""

    id: str
    name: str
    owner: str
    phase: str
    state: str
    algorithm: str
    dataset: str
    experiment: str
    experiment_id: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    duration_seconds: float | None
    created_at: datetime | None
    #: what its algorithm takes, with the defaults; None where the algorithm is not known (any more)
    defaults: Mapping[str, Any] | None = None

    def parameter(self, name: str) -> Any:
        """What it ran with: given, or the algorithm's default; None where its algorithm takes no such parameter."""
        return self.parameters[name] if name in self.parameters else (self.defaults or {}).get(name)

    def is_default(self, name: str) -> bool:
        """Whether nothing was given for a parameter that its algorithm takes."""
        return name not in self.parameters and name in (self.defaults or {})

    def value(self, order: str) -> Any:
        """What it is sorted by under `order`; None where it has none."""
        if order.startswith(METRIC):
            return self.metrics.get(order.removeprefix(METRIC))
        if order.startswith(PARAMETER):
            return self.parameter(order.removeprefix(PARAMETER))
        return {"created": self.created_at, "name": self.name.lower(), "duration": self.duration_seconds}[order]


def read_run(training: Training, defaults: Mapping[str, Any] | None = None) -> Run:
    """`defaults`: of its algorithm's parameters."""
    named: dict[str, Mapping[str, Any]] = {entry["path"]: entry for entry in training.document.get("references") or ()}
    dataset = named.get("datasets.train", {})
    version = f"@{dataset['version']}" if dataset.get("version") else ""
    experiment = named.get("experiment", {})
    return Run(
        id=training.id,
        name=training.name,
        owner=training.owner,
        phase=training.status.phase,
        state=training.status.state,
        algorithm=str(named.get("algorithm", {}).get("name") or ""),
        dataset=f"{dataset.get('name', '')}{version}",
        experiment=str(experiment.get("name") or ""),
        experiment_id=str(experiment.get("id") or ""),
        parameters=dict(training.spec.get("parameters") or {}),
        metrics=training.metrics,
        duration_seconds=training.document["status"].get("duration_seconds"),
        created_at=training.created_at,
        defaults=defaults,
    )


def metric_names(runs: Iterable[Run]) -> list[str]:
    """In the order in which they first come."""
    return list(dict.fromkeys(name for run in runs for name in run.metrics))


def parameter_names(runs: Iterable[Run]) -> list[str]:
    """Those that were given to any run, in the order in which they first come, then those left to their defaults."""
    every = list(runs)
    given = [name for run in every for name in run.parameters]
    return list(dict.fromkeys([*given, *(name for run in every for name in run.defaults or ())]))


def differing_parameters(runs: Sequence[Run]) -> list[str]:
    """Of those that were given to any run: which are not the same in all, defaults counted as what they are."""
    names = dict.fromkeys(name for run in runs for name in run.parameters)
    return [name for name in names if not _same([run.parameter(name) for run in runs])]


def sort_runs(runs: Iterable[Run], order: str, *, descending: bool) -> list[Run]:
    """Runs without a value come last either way; numbers and words are not compared with each other."""
    return sort_by(runs, lambda run: run.value(order), descending=descending)


def sort_by(entries: Iterable[Entry], value: Callable[[Entry], Any], *, descending: bool) -> list[Entry]:
    """By a value of each; those without one, and NaN, come last either way."""
    valued: list[tuple[Any, Entry]] = []
    rest: list[Entry] = []
    for entry in entries:
        found = value(entry)
        if _is_value(found):
            valued.append((_rank(found), entry))
        else:
            rest.append(entry)
    return [*(entry for _, entry in sorted(valued, key=lambda pair: pair[0], reverse=descending)), *rest]


def _is_value(value: Any) -> bool:
    return value is not None and value == value  # NaN is none


def _rank(value: Any) -> tuple[int, Any]:
    if isinstance(value, datetime):
        return 0, value.timestamp()
    if isinstance(value, int | float):
        return 0, value
    return 1, str(value)


def filter_runs(
    runs: Iterable[Run], *, text: str = "", state: str = "", experiment: str = "", algorithm: str = ""
) -> list[Run]:
    """`text` is searched in names, algorithms, datasets and experiments; `experiment` is an id or a name."""
    wanted = text.strip().lower()
    return [
        run
        for run in runs
        if (not state or run.state == state)
        and (not experiment or experiment in (run.experiment_id, run.experiment, f"{run.owner}/{run.experiment}"))
        and (not algorithm or algorithm.rpartition("/")[2] == run.algorithm)
        and (not wanted or wanted in f"{run.name} {run.algorithm} {run.dataset} {run.experiment}".lower())
    ]


@dataclass(frozen=True)
class Difference:
    """One line of the comparison: what it is, and its value in each run."""

    what: str
    values: tuple[Any, ...]
    is_same: bool
    #: the places of the best values, where better is known
    best: tuple[int, ...] = ()


def compare(runs: Sequence[Run], goals: Mapping[str, str] | None = None) -> list[Difference]:
    """Everything that the runs have, side by side: what differs first. `goals`: metric -> maximize or minimize."""
    facts: list[tuple[str, tuple[Any, ...]]] = [
        ("Algorithm", tuple(run.algorithm for run in runs)),
        ("Dataset", tuple(run.dataset for run in runs)),
        ("Phase", tuple(run.phase for run in runs)),
        ("Duration", tuple(_duration(run) for run in runs)),
    ]
    parameters: list[Difference] = []
    for name in dict.fromkeys(name for run in runs for name in run.parameters):
        parameters.append(Difference(name, tuple(_said(run, name) for run in runs), _same(_all(runs, name))))
    lines = [*(Difference(what, values, _same(values)) for what, values in facts), *parameters]
    for name in metric_names(runs):
        values = tuple(run.metrics.get(name) for run in runs)
        lines.append(Difference(name, values, _same(values), best_places(values, (goals or {}).get(name))))
    return sorted(lines, key=lambda line: line.is_same)


def _duration(run: Run) -> str:
    return duration_text(run.duration_seconds) if run.duration_seconds is not None else ""


def _same(values: Sequence[Any]) -> bool:
    # 1 and 1.0 are one value, True and 1 are two, and NaN is itself
    return len({repr(float(value) if type(value) is int else value) for value in values}) <= 1


def _all(runs: Sequence[Run], name: str) -> list[Any]:
    return [run.parameter(name) for run in runs]


def _said(run: Run, name: str) -> Any:
    value = run.parameter(name)
    return f"{'none' if value is None else value} (default)" if run.is_default(name) else value


def best_places(values: Sequence[Any], goal: str | None) -> tuple[int, ...]:
    """Where the best values stand; none where fewer than two are known, or which way is better is not."""
    known = [value for value in values if _is_value(value)]
    if goal is None or len(known) < 2:
        return ()
    best = max(known) if goal == "maximize" else min(known)
    return tuple(place for place, value in enumerate(values) if value == best)
