"""Search spaces: what a tuning may try for each hyperparameter, as fields or in a short text.

max_depth       2..8                     whole numbers; 2..8:2 takes every second
learning_rate   log:0.01..0.3            numbers, as many between 0.01 and 0.1 as between 0.1 and 1
booster         gbtree,dart              one of these
rate_drop       0.1..0.5 if booster=dart    only where booster is dart
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from orrery.domain.records import Json

MAX_DIMENSIONS: Final = 50
#: more combinations than this are no grid that anybody would wait for
MAX_GRID: Final = 10_000
#: whole numbers are of 64 bits, as in the JSON that they stand in
MOST_INTEGER: Final = 2**63 - 1
_LARGEST: Final = sys.float_info.max
_NUMBER: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE: Final = re.compile(rf"(?P<log>log:)?\s*(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})(?::(?P<step>{_NUMBER}))?")
_CONDITION: Final = re.compile(r"\s+if\s+(?P<name>[^\s=]+)\s*=\s*(?P<values>.+)$")


class Dimension(BaseModel):
    """What one hyperparameter may be: from `low` to `high`, both included, or one of `values`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    type: Literal["int", "float", "categorical"] | None = Field(
        None, description="Empty: as the algorithm declares the parameter."
    )
    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = Field(None, gt=0, description="The distance between two values; a grid needs it.")
    log: bool = Field(False, description="Try each order of magnitude as often as another.")
    values: list[Any] | None = Field(None, min_length=1, max_length=1000)
    when: dict[str, list[Any]] = Field(
        default_factory=dict, description="Only where these other parameters have one of these values."
    )

    @model_validator(mode="before")
    @classmethod
    def from_text(cls, given: Any) -> Any:
        if isinstance(given, list | tuple):
            return {"values": cast("list[Any]", given)}
        return parse_dimension(given) if isinstance(given, str) else given

    @model_validator(mode="after")
    def is_whole(self) -> Dimension:
        if self.values is not None:
            if any(part is not None for part in (self.low, self.high, self.step)) or self.log:
                raise ValueError("give either values, or low and high, not both")
            return self
        if self.low is None or self.high is None:
            raise ValueError("say what may be tried: low and high, or a list of values")
        if self.low > self.high:
            raise ValueError(f"low ({self.low:g}) is above high ({self.high:g}); exchange them")
        if not self.high - self.low <= _LARGEST:
            raise ValueError(f"from {self.low:g} to {self.high:g} is farther than a number can say; bring them closer")
        if self.step is not None and self.step < sys.float_info.min * max(1.0, self.high - self.low):
            raise ValueError(f"step is {self.step:g}, too small to be told from nothing; choose a larger one")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low:g}; a logarithmic range begins above 0")
        if self.log and self.step is not None and self.step != 1:
            raise ValueError("a logarithmic range has no step; leave one of the two out")
        return self


def parse_dimension(text: str) -> Json:
    """The fields of a dimension from its short text (see above). Raises: ValueError."""
    wanted = text.strip()
    found: Json = {}
    if condition := _CONDITION.search(wanted):
        found["when"] = {condition["name"]: _values(condition["values"])}
        wanted = wanted[: condition.start()].strip()
    if range_ := _RANGE.fullmatch(wanted):
        found |= {"low": _number(range_["low"]), "high": _number(range_["high"])}
        if range_["log"]:
            found["log"] = True
        if range_["step"]:
            found["step"] = _number(range_["step"])
        return found
    values = _values(wanted)
    if ".." in wanted or not values:
        raise ValueError(
            f"{text!r} is no search space; write 2..8, 2..8:2 (with a step), log:0.01..0.3, or values: gbtree,dart"
        )
    return {**found, "values": values}


def _number(text: str) -> int | float:
    number = float(text)
    if not -_LARGEST <= number <= _LARGEST:
        shown = text if len(text) <= 40 else f"{text[:37]}..."
        raise ValueError(f"{shown} is larger than a number can be here; write a smaller one")
    is_whole = re.fullmatch(r"[+-]?\d+", text) is not None and abs(number) < MOST_INTEGER
    return int(text) if is_whole else number


def _values(text: str) -> list[str]:
    return [value.strip() for value in text.split(",") if value.strip()]


def in_order(space: Mapping[str, Dimension]) -> list[str]:
    """The names, each after those its conditions name. Raises: ValueError for unknown names and circles."""
    order: list[str] = []
    pending = dict(space)
    while pending:
        ready = [name for name, dimension in pending.items() if all(other in order for other in dimension.when)]
        if not ready:
            name, dimension = next(iter(pending.items()))
            unknown = [other for other in dimension.when if other not in space]
            if unknown:
                raise ValueError(
                    f"{name!r} depends on {unknown[0]!r}, which is not searched; the space has {', '.join(space)}"
                )
            raise ValueError(f"the conditions of {', '.join(pending)} wait for one another; take one away")
        for name in ready:
            order.append(name)
            del pending[name]
    return order


def is_active(dimension: Dimension, chosen: Mapping[str, Any]) -> bool:
    """Whether its conditions hold for what has been chosen before it."""
    return all(name in chosen and chosen[name] in values for name, values in dimension.when.items())


def grid_values(dimension: Dimension) -> list[Any]:
    """Every value of the dimension. Raises: ValueError where there are infinitely many."""
    if dimension.values is not None:
        return dimension.values
    low, high = dimension.low, dimension.high
    assert low is not None and high is not None
    step = dimension.step if dimension.step is not None else (1 if dimension.type == "int" else None)
    if step is None:
        raise ValueError(f"a grid needs a step between {low:g} and {high:g}, or a list of values")
    count = int((high - low) / step + 1e-9) + 1
    if count > MAX_GRID:
        raise ValueError(f"{count} values from {low:g} to {high:g} are too many for a grid; choose a larger step")
    values = [low + number * step for number in range(count)]
    return [int(value) for value in values] if dimension.type == "int" else [round(float(v), 12) for v in values]


def _grid_values_of(name: str, dimension: Dimension) -> list[Any]:
    try:
        return grid_values(dimension)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def grid(space: Mapping[str, Dimension]) -> Iterator[Json]:
    """Every combination once, in the order of the space; what a condition rules out is left out.

    Raises: ValueError for a dimension without a step, and for more than `MAX_GRID` combinations.
    """
    order = in_order(space)
    values = {name: _grid_values_of(name, space[name]) for name in order}
    size = 1
    for name in order:
        size *= len(values[name])
    if size > MAX_GRID:
        raise ValueError(f"{size:,} combinations are too many for a grid (at most {MAX_GRID:,}); narrow the space")
    seen: set[str] = set()
    for combination in product(*(values[name] for name in order)):
        chosen: Json = {}
        for name, value in zip(order, combination, strict=True):
            if is_active(space[name], chosen):
                chosen[name] = value
        if repr(chosen) not in seen:
            seen.add(repr(chosen))
            yield chosen
