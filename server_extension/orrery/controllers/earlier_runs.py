"""What a search knows before it begins: earlier trials and trainings, with their values of its objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from orrery.domain.records import Json, Record
from orrery.domain.tunings import TuningSpec
from orrery.errors import Invalid
from orrery.store.metrics import MetricStore, parse_value, special_name
from orrery.store.resources import ResourceStore
from orrery.store.trials import TrialStore
from orrery.tuning.definition import EarlierRun


def value_of(metrics: MetricStore, training: Record, metric: str) -> float | None:
    """A metric of a training: as its result has it, else the last that it reported. None: there is no finite one."""
    value = _told(metrics, training, metric)
    return value if value is not None and isfinite(value) else None


def why_without(metrics: MetricStore, training: Record, names: Sequence[str]) -> str:
    """Why one that completed has no value of these metrics: it told none, or one that compares with nothing."""
    if odd := _told_oddly(metrics, training, names):
        remedy = "see what diverges, and search where it does not (a smaller learning rate, say)"
        return f"told {odd}, which cannot be compared: {remedy}"
    missing = [name for name in names if value_of(metrics, training, name) is None]
    return f"completed without telling {', '.join(missing)}"


def _told_oddly(metrics: MetricStore, training: Record, names: Sequence[str]) -> str:
    """`NaN as loss`; empty: what it told is finite."""
    told = {name: _told(metrics, training, name) for name in names}
    return " and ".join(
        f"{special_name(value)} as {name}" for name, value in told.items() if value is not None and not isfinite(value)
    )


def _told(metrics: MetricStore, training: Record, metric: str) -> float | None:
    results: Json = training.outputs.get("metrics") or {}
    value = results.get(metric)
    if value is None:
        history = metrics.history(training.id, int(training.internal.get("attempt", 1)), metric)
        return history[-1].value if history else None
    return None if isinstance(value, bool) else parse_value(value)


def check_earlier(metrics: MetricStore, references: Mapping[str, Record], spec: TuningSpec) -> None:
    """Raises: Invalid for an earlier training, named as such, that the search could learn nothing from."""
    for index in range(len(spec.earlier_trainings)):
        training = references[f"earlier_trainings.{index}"]
        missing = [one.metric for one in spec.objectives if value_of(metrics, training, one.metric) is None]
        parameters = {**training.outputs.get("parameters", {}), **training.spec["parameters"]}
        if training.phase != "COMPLETE":
            why = f"is {training.phase}, and the search learns from what is COMPLETE"
        elif missing:
            odd = _told_oddly(metrics, training, missing)
            why = f"told {odd}" if odd else f"has no {missing[0]}"
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
