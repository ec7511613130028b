"""What a search knows before it begins: earlier trials and trainings, with their values of its objectives."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from orrery.domain.records import Json, Record
from orrery.domain.tunings import TuningSpec
from orrery.errors import Invalid
from orrery.store.metrics import MetricStore
from orrery.store.resources import ResourceStore
from orrery.store.trials import TrialStore
from orrery.tuning.definition import EarlierRun


def value_of(metrics: MetricStore, training: Record, metric: str) -> float | None:
    """A metric of a training: as its result has it, else the last that it reported. None: there is no finite one."""
    results: Json = training.outputs.get("metrics") or {}
    value = results.get(metric)
    if value is None:
        history = metrics.history(training.id, int(training.internal.get("attempt", 1)), metric)
        value = history[-1].value if history else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)


def check_earlier(metrics: MetricStore, references: Mapping[str, Record], spec: TuningSpec) -> None:
    """Raises: Invalid for an earlier training, named as such, that the search could learn nothing from."""
    for index in range(len(spec.earlier_trainings)):
        training = references[f"earlier_trainings.{index}"]
        missing = [one.metric for one in spec.objectives if value_of(metrics, training, one.metric) is None]
        parameters = {**training.outputs.get("parameters", {}), **training.spec["parameters"]}
        if training.phase != "COMPLETE":
            why = f"is {training.phase}, and the search learns from what is COMPLETE"
        elif missing:
            why = f"has no {missing[0]}"
        elif not spec.space.keys() & parameters.keys():
            searched = ", ".join(spec.space)
            other = training.spec["algorithm"] != references["algorithm"].id
            why = f"{'ran another algorithm and ' if other else ''}was given no value of {searched}"
        else:
            continue
        message = f"{training.label} {why}: leave it out of the earlier trainings"
        raise Invalid(message, fields=[{"path": f"spec.earlier_trainings.{index}", "message": message}])


def earlier_runs(store: ResourceStore, metrics: MetricStore, trials: TrialStore, spec: TuningSpec) -> list[EarlierRun]:
    """The complete runs that the spec names, as far as they have a value for each objective."""
    ids = [trial.training_id for tuning in spec.earlier_tunings for trial in trials.succeeded(tuning)]
    found = store.find_many([*ids, *spec.earlier_trainings])
    runs: list[EarlierRun] = []
    for training_id in dict.fromkeys([*ids, *spec.earlier_trainings]):
        training = found.get(training_id)
        if training is None or training.phase != "COMPLETE":
            continue
        values = [value_of(metrics, training, objective.metric) for objective in spec.objectives]
        known = [value for value in values if value is not None]
        parameters: Json = {**training.outputs.get("parameters", {}), **training.spec["parameters"]}
        if len(known) == len(values):
            runs.append(EarlierRun(training.id, parameters, known))
    return runs
