"""A tuning's search space in the terms of the algorithm: every dimension typed, every bound checked by its schema."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from typing import Any, Literal

from orrery.domain.records import Json
from orrery.domain.search_space import MOST_INTEGER, Dimension, grid, in_order, is_active
from orrery.domain.tunings import TuningSpec
from orrery.errors import Invalid
from orrery.jobs.parameters import validate
from orrery.plain_json import check_plain

_PATH = "spec.space"


def fit_space(space: Mapping[str, Dimension], schema: Json) -> dict[str, Dimension]:
    """The space with types, bounds and values as the schema has them. Raises: Invalid naming the dimension."""
    known: Json = {**schema, "required": []}
    return {name: _fit(name, dimension, known) for name, dimension in space.items()}


def check_grid(space: Mapping[str, Dimension]) -> None:
    """Raises: Invalid where the space has no end of combinations."""
    try:
        for _ in grid(space):
            pass
    except ValueError as error:
        raise Invalid(str(error), fields=[{"path": _PATH, "message": str(error)}]) from None


def check_search(spec: TuningSpec, space: Mapping[str, Dimension]) -> None:
    """Raises: Invalid where a setting would do nothing: of a strategy or of early stopping."""
    if spec.sampler == "cma-es" and all(dimension.values is not None for dimension in space.values()):
        message = (
            f"cma-es searches numbers, and {', '.join(space)} "
            f"{'is a choice' if len(space) == 1 else 'are all choices'}: take tpe, random or grid"
        )
        raise Invalid(message, fields=[{"path": "spec.sampler", "message": message}])
    for name in ("start_step", "early_stop_metric"):
        if spec.early_stop == "none" and getattr(spec, name):
            message = (
                f"{name} is {getattr(spec, name)!r}, and no training is stopped early: "
                f"set early_stop (median, asha or hyperband), or leave {name} out"
            )
            raise Invalid(message, fields=[{"path": f"spec.{name}", "message": message}])


def example(space: Mapping[str, Dimension]) -> Json:
    """One combination of the space."""
    chosen: Json = {}
    for name in in_order(space):
        dimension = space[name]
        if is_active(dimension, chosen):
            chosen[name] = dimension.values[0] if dimension.values is not None else dimension.low
    return chosen


def _fit(name: str, dimension: Dimension, schema: Json) -> Dimension:
    when = {other: [_value(other, value, schema) for value in values] for other, values in dimension.when.items()}
    if dimension.values is not None:
        values = [_value(name, value, schema) for value in dimension.values]
        if any(not isinstance(value, str | int | float | bool | None) for value in values):
            raise _refusal(name, f"{name!r}: {values} cannot be searched; values are numbers, texts, true or false")
        if len({repr(value) for value in values}) < len(values):
            raise _refusal(name, f"{name!r}: a value stands twice in {values}")
        return dimension.model_copy(update={"type": "categorical", "values": values, "when": when})
    type_ = _range_type(name, dimension, schema)
    low, high = _value(name, dimension.low, schema), _value(name, dimension.high, schema)
    step = dimension.step
    if type_ == "int":
        whole = [bound for bound in (low, high, step) if bound is not None and bound != int(bound)]
        if whole:
            raise _refusal(name, f"{name!r} takes whole numbers; {whole[0]:g} is none")
        low, high, step = int(low), int(high), None if step is None else int(step)
        large = [bound for bound in (low, high, step) if bound is not None and abs(bound) > MOST_INTEGER]
        if large:
            raise _refusal(name, f"{name!r} takes whole numbers of 64 bits; {large[0]:.6g} has more")
    if step is not None:
        high = low + floor((high - low) / step + 1e-9) * step
        high = high if type_ == "int" else round(high, 12)
    return dimension.model_copy(update={"type": type_, "low": low, "high": high, "step": step, "when": when})


def _range_type(name: str, dimension: Dimension, schema: Json) -> Literal["int", "float"]:
    properties: Json = schema.get("properties") or {}
    declared: Json = properties.get(name) or {}
    written: str | list[str] = declared.get("type") or []
    types = [written] if isinstance(written, str) else written
    choices: list[Any] = declared.get("enum") or []
    if choices or (types and not {"integer", "number"} & set(types)):
        what = ", ".join(str(choice) for choice in choices) or " or ".join(types)
        raise _refusal(name, f"{name!r} is no number ({what}); list the values to try: --space {name}=a,b")
    if "integer" in types and "number" not in types:
        return "int"
    if "number" in types or dimension.type == "float":
        return "float"
    bounds = (dimension.low, dimension.high, dimension.step)
    return "int" if all(bound is None or isinstance(bound, int) for bound in bounds) else "float"


def _value(name: str, value: Any, schema: Json) -> Any:
    declared: Json = schema.get("properties") or {}
    if name not in declared and isinstance(value, str):
        # nothing is known of it: a text from a command line that reads as a number is one
        # and what JSON cannot hold as a number, `nan` among it, stays as it was written
        for number in (int, float):
            try:
                read = number(value)
                check_plain(read)
            except ValueError:
                continue
            except Invalid:
                return value
            return read
    return validate(schema, {name: value}, path=_PATH)[name]


def _refusal(name: str, message: str) -> Invalid:
    return Invalid(message, fields=[{"path": f"{_PATH}.{name}", "message": message}])
