"""Trainings side by side: what each was given, how long it took, and what its metrics came to."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from orrery.errors import Invalid, NotFound

if TYPE_CHECKING:
    from orrery.client.builtin import Training
    from orrery.client.client import Client

Json = dict[str, Any]
#: where a setting's value is from: it was given, the run told it of itself, or it was left to its default
Origin = Literal["given", "logged", "default"]
FEWEST: Final = 2


@dataclass(frozen=True)
class Setting:
    """A hyperparameter of one run."""

    value: Any
    origin: Origin


@dataclass(frozen=True)
class SettingRow:
    """A hyperparameter, or a fact of the run (`algorithm`, `datasets.train`, `instance_type`), over all runs."""

    name: str
    #: one a run; None where the run has no such thing
    settings: tuple[Setting | None, ...]

    @property
    def differs(self) -> bool:
        return len({None if s is None else json.dumps(s.value, sort_keys=True) for s in self.settings}) > 1


@dataclass(frozen=True)
class MetricRow:
    """A metric over all runs. None: the run told none."""

    name: str
    goal: Literal["maximize", "minimize"]
    #: what each run told last, or as its result; NaN stays NaN
    last: tuple[float | None, ...]
    #: the best that each told at any time, NaN and infinities left out
    best: tuple[float | None, ...]

    @property
    def winners(self) -> tuple[int, ...]:
        """The places of the runs whose `last` is the best; none where all are the same, or fewer than two are known."""
        known = [value for value in self.last if value is not None and math.isfinite(value)]
        if len(set(known)) < 2:
            return ()
        top = (max if self.goal == "maximize" else min)(known)
        return tuple(place for place, value in enumerate(self.last) if value == top)


@dataclass(frozen=True)
class Comparison:
    """Trainings side by side, as they stood when they were read."""

    trainings: tuple[Training, ...]
    facts: tuple[SettingRow, ...]
    #: those that differ first
    parameters: tuple[SettingRow, ...]
    metrics: tuple[MetricRow, ...]

    @property
    def differing(self) -> tuple[SettingRow, ...]:
        """What was given, or left to its default, and is not the same in all of them."""
        return tuple(row for row in (*self.facts, *self.parameters) if row.differs)

    def to_json(self) -> Json:
        """As JSON can hold it: a NaN is "NaN"."""
        return {
            "trainings": [
                {
                    "id": training.id,
                    "name": training.qualified_name,
                    "phase": training.status.phase,
                    "duration_seconds": training.status.duration_seconds,
                }
                for training in self.trainings
            ],
            "facts": [_row(row) for row in self.facts],
            "parameters": [
                {**_row(row), "origins": [s.origin if s is not None else None for s in row.settings]}
                for row in self.parameters
            ],
            "metrics": [
                {
                    "name": row.name,
                    "goal": row.goal,
                    "last": [_number(value) for value in row.last],
                    "best": [_number(value) for value in row.best],
                    "winners": list(row.winners),
                }
                for row in self.metrics
            ],
        }


def compare(client: Client, trainings: Sequence[str | Training]) -> Comparison:
    """Raises: Invalid for fewer than two, or one given twice; NotFound."""
    found = [client.trainings.get(one) if isinstance(one, str) else one.refresh() for one in trainings]
    if len(found) < FEWEST:
        raise Invalid(f"{len(found)} trainings were given; it takes at least {FEWEST} to compare")
    if twice := [one for place, one in enumerate(found) if one in found[:place]]:
        raise Invalid(f"training {twice[0].qualified_name} was given twice; name each once")
    declared = [_algorithm(client, one) for one in found]
    parameters = _rows([_parameters(one, spec) for one, spec in zip(found, declared, strict=True)])
    return Comparison(
        tuple(found),
        tuple(_rows([_facts(one) for one in found])),
        (*(row for row in parameters if row.differs), *(row for row in parameters if not row.differs)),
        tuple(_metrics(found, _goals(client, declared))),
    )


def _algorithm(client: Client, training: Training) -> Json:
    """What its algorithm declares; nothing where that is gone, or may not be seen."""
    try:
        return client.algorithms.get(str(training.spec["algorithm"])).spec
    except NotFound:
        return {}


def _facts(training: Training) -> dict[str, Setting]:
    names = {r["path"]: _reference(r) for r in training.document.get("references") or ()}
    found = {path: name for path, name in names.items() if path == "algorithm" or path.startswith("datasets.")}
    spec = {name: training.spec[name] for name in ("instance_type", "nodes", "processes_per_node")}
    return {name: Setting(value, "given") for name, value in {**found, **spec}.items()}


def _reference(reference: Mapping[str, Any]) -> str:
    version = f"@{reference['version']}" if reference.get("version") else ""
    return f"{reference['owner']}/{reference['name']}{version}"


def _parameters(training: Training, declared: Json) -> dict[str, Setting]:
    """All that it was given, told of itself, and left to the defaults."""
    schema: Json = declared.get("parameters_schema") or {}
    properties: Json = schema.get("properties") or {}
    found = {name: Setting(p["default"], "default") for name, p in properties.items() if "default" in p}
    logged: Json = training.status.outputs.get("parameters") or {}
    for name, value in logged.items():
        if name not in found or found[name].value != value:
            found[name] = Setting(value, "logged")
    return found | {name: Setting(value, "given") for name, value in training.spec["parameters"].items()}


def _rows(settings: Sequence[Mapping[str, Setting]]) -> list[SettingRow]:
    return [SettingRow(name, tuple(one.get(name) for one in settings)) for name in _keys(settings)]


def _keys(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))


def _goals(client: Client, declared: Sequence[Json]) -> _Goals:
    told = {metric["name"]: metric["goal"] for spec in declared for metric in spec.get("metrics") or ()}
    return _Goals(told, client.kinds.goals.get("minimize", "$^"))


@dataclass(frozen=True)
class _Goals:
    """Which way a metric is better: as an algorithm says, else by its name, as the platform guesses it."""

    told: Mapping[str, Literal["maximize", "minimize"]]
    #: found in the names of those that are to be small
    minimized: str

    def of(self, metric: str) -> Literal["maximize", "minimize"]:
        guess = "minimize" if re.search(self.minimized, metric, re.IGNORECASE) else "maximize"
        return self.told.get(metric, guess)


def _metrics(trainings: Sequence[Training], goals: _Goals) -> list[MetricRow]:
    reached = [training.metrics for training in trainings]
    histories = [
        {key: [point.value for point in points] for key, points in training.metrics_history().items()}
        for training in trainings
    ]
    rows: list[MetricRow] = []
    for name in _keys([*reached, *histories]):
        choose = max if goals.of(name) == "maximize" else min
        last: list[float | None] = []
        best: list[float | None] = []
        for result, history in zip(reached, histories, strict=True):
            values = [*history.get(name, ()), *([result[name]] if name in result else [])]
            last.append(values[-1] if values else None)
            best.append(choose((value for value in values if math.isfinite(value)), default=None))
        rows.append(MetricRow(name, goals.of(name), tuple(last), tuple(best)))
    return rows


def _row(row: SettingRow) -> Json:
    values = [setting.value if setting is not None else None for setting in row.settings]
    return {"name": row.name, "values": values, "differs": row.differs}


def _number(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
