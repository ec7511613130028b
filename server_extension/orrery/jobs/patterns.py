"""Regular expressions that read metrics from a log, as Katib's do: a group is the value."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orrery.errors import Invalid

#: names of a group that is not the value
_STEP, _VALUE = "step", "value"


@dataclass(frozen=True)
class Reading:
    """A value found in a line, and its step where the line tells one."""

    value: float
    step: int | None


def check_pattern(pattern: str) -> None:
    """Raises: Invalid for one that does not compile, or has no group for the value."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise Invalid(f"pattern {pattern!r} is no regular expression: {error}") from error
    if value_group(compiled) is None:
        raise Invalid(f"pattern {pattern!r} has no group around the value; write accuracy=([0-9.]+)")


def value_group(pattern: re.Pattern[str]) -> int | None:
    """The group that holds the value: the one named `value`, else the first that is not `step`."""
    named = pattern.groupindex
    if _VALUE in named:
        return named[_VALUE]
    return next((group for group in range(1, pattern.groups + 1) if group != named.get(_STEP)), None)


def read_metric(pattern: re.Pattern[str], line: str) -> Reading | None:
    """The last value in the line; None where there is none, or what the group holds is no number."""
    group = value_group(pattern)
    found: Reading | None = None
    for match in pattern.finditer(line):
        try:
            value = float(match[group or 1])
        except (TypeError, ValueError):
            continue
        step = match[_STEP] if _STEP in pattern.groupindex else None
        found = Reading(value, int(step) if step is not None and step.isdecimal() else None)
    return found
