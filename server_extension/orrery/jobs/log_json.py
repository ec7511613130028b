"""What a script tells in lines of JSON: `{"epoch": 3, "epochs": 10, "loss": 0.2}`. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from orrery.jobs.log_progress import Place

_LONGEST: Final = 100_000
_EPOCHS: Final = ("epochs", "total_epochs", "num_epochs")
_STEPS: Final = ("steps", "total_steps", "max_steps")
#: numbers that are no metrics: they say where and when
_ABOUT: Final = frozenset(
    {"epoch", "step", "progress", "global_step", *_EPOCHS, *_STEPS}
    | {"time", "timestamp", "ts", "level", "levelno", "lineno", "line", "pid", "process", "thread", "rank"}
)


@dataclass(frozen=True)
class Told:
    """`step` is the line's own, or where it has none its epoch."""

    place: Place | None = None
    step: int | None = None
    metrics: dict[str, float] = field(default_factory=dict[str, float])


def read_json_line(line: str) -> Told | None:
    """None for a line that is no JSON object. Names of NaN and the infinities are numbers here."""
    text = line.strip()
    if not (text.startswith("{") and text.endswith("}")) or len(text) > _LONGEST:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    given = cast("dict[str, Any]", document)
    inner = given.get("metrics")
    values = {**given, **(cast("dict[str, Any]", inner) if isinstance(inner, dict) else {})}
    metrics = {
        name: float(value)
        for name, value in values.items()
        if name not in _ABOUT and isinstance(value, int | float) and not isinstance(value, bool)
    }
    epoch, step = _count(given, "epoch"), _count(given, "step", "global_step")
    return Told(_place(given, epoch, step), step if step is not None else epoch, metrics)


def _count(values: Mapping[str, Any], *names: str) -> int | None:
    found = (values.get(name) for name in names)
    return next((int(value) for value in found if isinstance(value, int) and not isinstance(value, bool)), None)


def _place(values: Mapping[str, Any], epoch: int | None, step: int | None) -> Place | None:
    epochs, steps = _count(values, *_EPOCHS), _count(values, *_STEPS)
    told = values.get("progress")
    if isinstance(told, int | float) and not isinstance(told, bool) and math.isfinite(told):
        # 0.4 and 40 are both in use; 1 is the whole
        fraction = float(told) if told <= 1 else float(told) / 100
    elif step is not None and steps:
        fraction = step / steps
    elif epoch is not None and epochs:
        fraction = epoch / epochs
    else:
        return None
    return Place(min(1.0, max(0.0, fraction)), epoch, epochs, step, steps)
