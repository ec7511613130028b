"""The columns of a table of trainings: which there are, and what stands in them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from orrery.client.displays import duration_text
from orrery_widgets import parts
from orrery_widgets.runs import METRIC, PARAMETER, Run, best_places, differing_parameters, metric_names, parameter_names

#: those that every training has: key -> title
FACTS: Final[Mapping[str, str]] = {
    "algorithm": "Algorithm",
    "phase": "Phase",
    "dataset": "Dataset",
    "experiment": "Experiment",
    "owner": "Owner",
    "created": "Created",
    "duration": "Duration",
}
_FIRST, _LAST = ("algorithm", "phase"), ("duration",)
_MOST_METRICS, _MOST_PARAMETERS = 4, 3


def usual_columns(runs: Sequence[Run]) -> list[str]:
    """What is worth seeing where nothing was chosen: parameters that differ, and the first metrics."""
    parameters = [f"{PARAMETER}{name}" for name in differing_parameters(runs)[:_MOST_PARAMETERS]]
    metrics = [f"{METRIC}{name}" for name in metric_names(runs)[:_MOST_METRICS]]
    return [*_FIRST, *parameters, *metrics, *_LAST]


def offered_columns(runs: Sequence[Run]) -> list[parts.Choice]:
    """All that can be chosen: facts, then metrics, then parameters."""
    found: list[parts.Choice] = [(title, key) for key, title in FACTS.items()]
    found += [(f"Metric {name}", f"{METRIC}{name}") for name in metric_names(runs)]
    return [*found, *((f"Parameter {name}", f"{PARAMETER}{name}") for name in parameter_names(runs))]


def read_columns(asked: Iterable[str], runs: Sequence[Run]) -> tuple[list[str], list[str]]:
    """Keys of the columns that are asked for, and names that no run has.

    `accuracy` is a metric where a run has one, else a parameter; `metric:accuracy` and `parameter:max_depth` say which.
    """
    metrics, parameters = set(metric_names(runs)), set(parameter_names(runs))
    keys: list[str] = []
    unknown: list[str] = []
    for name in asked:
        if name.lower() in FACTS:
            keys.append(name.lower())
        elif name.startswith((METRIC, PARAMETER)):
            keys.append(name)
        else:
            keys.append(f"{PARAMETER}{name}" if name in parameters and name not in metrics else f"{METRIC}{name}")
            if name not in metrics | parameters:
                unknown.append(name)
    return list(dict.fromkeys(keys)), unknown


def title_of(key: str) -> str:
    return FACTS.get(key) or key.removeprefix(METRIC).removeprefix(PARAMETER)


def best_of(runs: Sequence[Run], keys: Iterable[str], goals: Mapping[str, str]) -> dict[str, set[str]]:
    """Of each metric among `keys` whose better way is known, the ids of the runs with the best value."""
    found: dict[str, set[str]] = {}
    for key in keys:
        if key.startswith(METRIC):
            places = best_places([run.value(key) for run in runs], goals.get(key.removeprefix(METRIC)))
            found[key] = {runs[place].id for place in places}
    return found


def cells(run: Run, keys: Sequence[str], best: Mapping[str, set[str]]) -> str:
    """The run's values, as HTML: the best of a metric is bold, a default is pale; both say so when pointed at."""
    made: list[str] = []
    for key in keys:
        value = escape(parts.shown(_value(run, key)), quote=True)
        if run.id in best.get(key, ()):
            made.append(f"<span title='{value}: the best of those listed'><b>{value}</b></span>")
        elif key.startswith(PARAMETER) and run.is_default(key.removeprefix(PARAMETER)):
            told = f"{value}: the default of {escape(run.algorithm, quote=True)}"
            made.append(f"<span class='orrw-soft' title='{told}'>{value}</span>")
        else:
            made.append(f"<span title='{value}'>{value}</span>")
    return f"<div class='orrw-run'>{''.join(made)}</div>"


def _value(run: Run, key: str) -> Any:
    if key == "duration":
        return duration_text(run.duration_seconds) if run.duration_seconds is not None else None
    if key == "created":
        return f"{run.created_at.astimezone():%Y-%m-%d %H:%M}" if run.created_at is not None else None
    return getattr(run, key) if key in FACTS else run.value(key)
