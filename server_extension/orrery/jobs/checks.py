"""Checking values against a parameters schema, with errors written for the person who typed the value.

Only what `orrery.jobs.parameters` writes is understood: types, bounds, choices, lengths, items, `anyOf`. A general JSON
schema validator would be slower to load and could not say "it must be a whole number from 1 to 32".
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from typing import Any, cast

from orrery.plain_json import LEAST_INTEGER, MOST_INTEGER

Schema = Mapping[str, Any]

_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "empty",
}


class _Refused(Exception):
    """The value does not fit; the message is what it must be."""


def check_values(schema: Schema, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The values in the schema's types, and the faults as (parameter, message)."""
    properties = cast("Mapping[str, Schema]", schema.get("properties", {}))
    checked: dict[str, Any] = {}
    faults: list[tuple[str, str]] = []
    for name, value in values.items():
        if name not in properties:
            if schema.get("additionalProperties") is False:
                faults.append((name, _unknown(name, properties)))
            else:
                checked[name] = value
            continue
        try:
            checked[name] = _fit(properties[name], value)
        except _Refused as refused:
            faults.append((name, f"parameter {name!r} is {_shown(value)}; it must be {refused}"))
    for name in schema.get("required", []):
        if name not in values and "default" in properties.get(name, {}):
            # it must be given, and the schema says what is given where nobody else does
            checked[name] = properties[name]["default"]
        elif name not in values:
            wanted = describe(properties.get(name, {}))
            faults.append((name, f"parameter {name!r} is missing; it must be given and be {wanted}"))
    return checked, faults


def describe(schema: Schema) -> str:
    """What a value must be, in words: `a whole number from 1 to 32`, `one of 'auto', 'regression'`."""
    if "enum" in schema:
        return "one of " + ", ".join(_shown(choice) for choice in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(describe(branch) for branch in schema["anyOf"])
    types = _types(schema)
    words = " or ".join(_WORDS.get(name, name) for name in types if name != "null") or "any value"
    return words + _range(schema) + (", or empty" if "null" in types else "")


def _fit(schema: Schema, value: Any) -> Any:
    if "anyOf" in schema:
        for branch in schema["anyOf"]:
            try:
                return _fit(branch, value)
            except _Refused:
                continue
        raise _Refused(describe(schema))
    value = _typed(schema, value)
    if "enum" in schema and not any(type(value) is type(choice) and value == choice for choice in schema["enum"]):
        raise _Refused(describe(schema) + _nearest_choice(value, schema["enum"]))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_bounds(schema, value)
    if isinstance(value, str):
        _check_text(schema, value)
    if isinstance(value, list):
        return _fit_items(schema, cast("list[Any]", value))
    return value


def _typed(schema: Schema, value: Any) -> Any:
    """`value` in one of the schema's types; text from a command line is read as the type asked for."""
    types = _types(schema)
    if not types:
        return value
    for name in types:
        if _is_a(name, value):
            return float(value) if name == "number" and "integer" not in types else value
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        return int(value)
    if isinstance(value, str):
        for name in types:
            read = _from_text(name, value.strip())
            if read is not None:
                return read[0]
    raise _Refused(describe(schema))


def _from_text(name: str, text: str) -> tuple[Any] | None:
    try:
        match name:
            case "integer":
                return _plain(int(text))
            case "number":
                return _plain(float(text))
            case "boolean":
                return ({"true": True, "false": False}[text.lower()],)
            case "null":
                return (None,) if text.lower() in ("", "null", "none") else None
            case "array":
                return ([part.strip() for part in text.strip("[]").split(",") if part.strip()],)
            case _:
                return None
    except (ValueError, KeyError):
        return None


def _plain(number: float) -> tuple[Any]:
    """The number, if JSON can hold it."""
    if isinstance(number, float):
        if not math.isfinite(number):
            raise _Refused("a finite number")
    elif not LEAST_INTEGER <= number <= MOST_INTEGER:
        raise _Refused("a whole number of 64 bits")
    return (number,)


def _is_a(name: str, value: Any) -> bool:
    match name:
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case _:
            return False


def _check_bounds(schema: Schema, value: float) -> None:
    step = schema.get("multipleOf")
    outside = (
        math.isnan(value)
        or ("minimum" in schema and value < schema["minimum"])
        or ("maximum" in schema and value > schema["maximum"])
        or ("exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"])
        or ("exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"])
        or (step is not None and not math.isclose(value / step, round(value / step), abs_tol=1e-9))
    )
    if outside or (math.isinf(value) and ("minimum" in schema or "maximum" in schema)):
        raise _Refused(describe(schema))


def _check_text(schema: Schema, value: str) -> None:
    too_short = len(value) < schema.get("minLength", 0)
    too_long = "maxLength" in schema and len(value) > schema["maxLength"]
    if too_short or too_long or ("pattern" in schema and not re.search(schema["pattern"], value)):
        raise _Refused(describe(schema))


def _fit_items(schema: Schema, values: list[Any]) -> list[Any]:
    if len(values) < schema.get("minItems", 0) or ("maxItems" in schema and len(values) > schema["maxItems"]):
        raise _Refused(describe(schema))
    items = schema.get("items")
    if not items:
        return values
    fitted: list[Any] = []
    for place, value in enumerate(values, start=1):
        try:
            fitted.append(_fit(items, value))
        except _Refused as refused:
            raise _Refused(f"a list where each entry is {refused} (entry {place} is {_shown(value)})") from None
    return fitted


def _types(schema: Schema) -> list[str]:
    declared = schema.get("type")
    return [] if declared is None else [declared] if isinstance(declared, str) else list(declared)


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    parts: list[str] = []
    if low is not None and high is not None:
        parts.append(f" from {low} to {high}")
    else:
        parts += [f" of at least {low}"] if low is not None else []
        parts += [f" above {above}"] if above is not None else []
        if high is not None:
            parts.append(f"{' and' if parts else ' of'} at most {high}")
    if below is not None:
        parts.append(f"{' and' if parts else ''} below {below}")
    if "multipleOf" in schema:
        parts.append(f", a multiple of {schema['multipleOf']}")
    if "minLength" in schema or "maxLength" in schema:
        parts.append(f" of {schema.get('minLength', 0)} to {schema.get('maxLength', 'any number of')} characters")
    if "minItems" in schema or "maxItems" in schema:
        parts.append(f" of {schema.get('minItems', 0)} to {schema.get('maxItems', 'any number of')} entries")
    if "pattern" in schema:
        parts.append(f" that matches {schema['pattern']}")
    return "".join(parts)


def _unknown(name: str, properties: Mapping[str, Schema]) -> str:
    near = difflib.get_close_matches(name, list(properties), n=1, cutoff=0.5)
    if near:
        return f"there is no parameter {name!r}; did you mean {near[0]!r}?"
    known = ", ".join(properties) or "none"
    return f"there is no parameter {name!r}; this algorithm takes: {known}"


def _nearest_choice(value: Any, choices: list[Any]) -> str:
    texts = [choice for choice in choices if isinstance(choice, str)]
    near = difflib.get_close_matches(str(value), texts, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _shown(value: Any) -> str:
    text = "empty" if value is None else repr(value)
    return text if len(text) <= 200 else text[:197] + "..."
