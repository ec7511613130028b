"""What a tuning may try for a hyperparameter: which can be searched, how it is written and read. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast

from orrery.domain.search_space import parse_dimension
from orrery.errors import Invalid
from orrery_widgets.fields import FormField, read_fields

#: where the platform names what is searched
SPACE: Final = "spec.space."
#: `low`, `high`, `step`, `log`, `values`, `when`, `type`; what is left out is the platform's default
Dimension = dict[str, Any]
How = Literal["range", "values"]

_SEARCHABLE: Final = frozenset({"integer", "number", "text", "boolean", "choice"})
_WORDS: Final = {
    "integer": "whole number",
    "number": "number",
    "text": "text",
    "boolean": "true or false",
    "choice": "choice",
}


def searchable_fields(schema: Mapping[str, Any]) -> dict[str, FormField]:
    """The parameters that a search could vary: no columns, lists or objects."""
    return {field.name: field for field in read_fields(schema) if field.kind in _SEARCHABLE}


def choices_of(field: FormField | None) -> list[Any] | None:
    """The only values that it takes; None where it takes others."""
    if field is None:
        return None
    if field.kind == "boolean":
        return [True, False]
    return [choice for choice in field.choices if choice is not None] if field.kind == "choice" else None


def type_words(field: FormField | None) -> str:
    """`whole number, 1 to 20, default 6`."""
    if field is None:
        return "any type"
    words = [_WORDS[field.kind], field.bounds, f"default {write_value(field.default)}" if field.has_default else ""]
    return ", ".join(word for word in words if word)


def read_dimension(given: str | Mapping[str, Any]) -> Dimension:
    """The fields of `log:0.01..0.3` and the like. Raises: Invalid."""
    if not isinstance(given, str):
        return dict(given)
    try:
        return parse_dimension(given)
    except ValueError as error:
        raise Invalid(str(error)) from None


def write_dimension(dimension: Mapping[str, Any]) -> str | Dimension:
    """Its short text, where that says all of it; else its fields."""
    low, high, step = (dimension.get(name) for name in ("low", "high", "step"))
    values: Sequence[Any] | None = dimension.get("values")
    when: Mapping[str, Sequence[Any]] = dimension.get("when") or {}
    if values is not None:
        text = ",".join(write_value(value) for value in values)
    else:
        text = f"{'log:' if dimension.get('log') else ''}{write_value(low)}..{write_value(high)}"
        text += f":{write_value(step)}" if step is not None else ""
    text += f" if {write_condition(when)}" if when else ""
    try:
        says_all = _plain(parse_dimension(text)) == _plain(dimension)
    except ValueError:
        says_all = False
    return text if says_all else dict(dimension)


def _plain(dimension: Mapping[str, Any]) -> Dimension:
    """As a text can say it: values as words, which the platform turns into the parameter's type."""
    known = {name: value for name, value in dimension.items() if value not in (None, False, {})}
    if "values" in known:
        known["values"] = [write_value(value) for value in known["values"]]
    if "when" in known:
        known["when"] = {name: [write_value(value) for value in values] for name, values in known["when"].items()}
    return known


def write_value(value: Any) -> str:
    """A value as the command line writes it; None is nothing."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def read_number(text: str, what: str, name: str) -> int | float | None:
    """Empty text is None. Raises: Invalid at the parameter `name`, for text that is no number."""
    text = text.strip()
    if not text:
        return None
    try:
        number = int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise refusal(name, f"{what} is {text!r}; write a number")
    return number


def read_values(text: str) -> list[str]:
    """`sgd, adam` as words; the platform turns them into the parameter's type."""
    return [word.strip() for word in text.split(",") if word.strip()]


def read_condition(text: str, name: str) -> dict[str, list[str]]:
    """`booster=dart` or `booster=dart,gbtree and depth=3`. Raises: Invalid at the parameter `name`."""
    when: dict[str, list[str]] = {}
    for part in text.split(" and ") if text.strip() else ():
        other, equals, values = part.partition("=")
        if not equals or not other.strip() or not read_values(values):
            raise refusal(name, f"the condition is {text!r}; write another parameter and its values: booster=dart")
        when[other.strip()] = read_values(values)
    return when


def write_condition(when: Mapping[str, Sequence[Any]]) -> str:
    return " and ".join(f"{name}={','.join(write_value(one) for one in values)}" for name, values in when.items())


def refusal(name: str, message: str) -> Invalid:
    return Invalid(message, fields=[{"path": f"{SPACE}{name}", "message": message}])


def how_of(dimension: Mapping[str, Any], field: FormField | None) -> How:
    """Whether it is searched as a range or as a list of values."""
    if "values" in dimension or choices_of(field) is not None or (field is not None and field.kind == "text"):
        return "values"
    return "range"


def chosen_values(dimension: Mapping[str, Any], choices: Sequence[Any]) -> tuple[Any, ...]:
    """Those of a parameter's choices that are tried; all of them, where none are named."""
    named = cast("Sequence[Any]", dimension.get("values") or ())
    words = {write_value(value) for value in named}
    return tuple(choice for choice in choices if not words or write_value(choice) in words)
