"""What is wrong with a document and where, as whoever wrote it would say it: the words of every validation are here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

#: pydantic's kinds of problems -> what is wanted; `{name}` stands for a value of the problem's context
_WANTED: Final[Mapping[str, str]] = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "string_pattern_mismatch": "must be of the form {pattern}",
    "list_type": "must be a list",
    "dict_type": "must be an object: names with their values",
    "model_type": "must be an object: names with their values",
    "model_attributes_type": "must be an object: names with their values",
    "none_required": "must be left out",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "union_tag_invalid": "its {discriminator} must be one of {expected_tags}",
    "union_tag_not_found": "needs a field {discriminator} that says which kind it is",
    "datetime_type": "must be a moment, such as 2026-01-31T22:00:00+01:00",
    "datetime_parsing": "must be a moment, such as 2026-01-31T22:00:00+01:00",
    "datetime_from_date_parsing": "must be a moment, such as 2026-01-31T22:00:00+01:00",
    "timezone_aware": "needs its time zone, such as 2026-01-31T22:00:00+01:00",
}
#: of a value, so many characters are told
_LONGEST_SHOWN: Final = 200
_UNKNOWN: Final = "extra_forbidden"
#: the value that was given says nothing more
_WITHOUT_VALUE: Final = frozenset({"missing", "value_error", "union_tag_not_found", _UNKNOWN})


def say(problem: Mapping[str, Any], known: Iterable[str] = ()) -> str:
    """One of pydantic's problems (`ValidationError.errors()`) as a sentence's end: "must be a whole number, not 'x'".

    `known`: the names that there are beside a name that is not.
    """
    kind, given = str(problem["type"]), problem.get("input")
    context: Mapping[str, Any] = problem.get("ctx") or {}
    match kind:
        case "missing":
            text = "is needed"
        case "extra_forbidden":
            text = f"there is no such field{_nearest(str(problem['loc'][-1]), known)}"
        case "string_too_short" | "string_too_long" | "too_short" | "too_long":
            text = _of_length(kind, context, given)
        case _ if kind in _WANTED:
            text = _WANTED[kind].format_map(_Named({name: _short(value) for name, value in context.items()}))
        case _:
            text = str(problem["msg"]).removeprefix("Value error, ")
    if kind in _WITHOUT_VALUE or isinstance(given, dict | list):
        return text
    shown = repr(given)
    return f"{text}, not {shown if len(shown) <= _LONGEST_SHOWN else f'{shown[:_LONGEST_SHOWN]} …'}"


def _short(value: Any) -> Any:
    """A bound as people write it: 9 rather than 9.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Named(dict[str, Any]):
    """A context's values; a name that it lacks is left out."""

    def __missing__(self, key: str) -> str:
        return ""


def _of_length(kind: str, context: Mapping[str, Any], given: Any) -> str:
    what = "character" if kind.startswith("string") else "item"
    least, most = context.get("min_length"), context.get("max_length")
    bound, limit = ("at most", most) if kind.endswith("long") else ("at least", least)
    has = f" and has {len(cast('list[Any]', given))}" if isinstance(given, dict | list) else ""
    return f"must have {bound} {limit} {what}{'' if limit == 1 else 's'}{has}"


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are: {', '.join(names)}" if names else "; leave it out"


def names_beside(model: Any, place: Sequence[int | str]) -> Iterable[str]:
    """The fields that there are where `place` of a model's document leads to; nothing where that is no model."""
    for part in place[:-1]:
        field = _fields(model).get(str(part))
        model = None if field is None else field.annotation
    return _fields(model)


def _fields(annotation: Any) -> Mapping[str, FieldInfo]:
    """Of a model, or of the one model that a union with None or a list holds."""
    found = [one for one in (annotation, *get_args(annotation)) if isinstance(one, type) and issubclass(one, BaseModel)]
    return found[0].model_fields if len(found) == 1 else {}


def place_of(document: Any, parts: Sequence[int | str]) -> list[int | str]:
    """Pydantic's `loc` without the tags of unions, which it names among the fields."""
    place: list[int | str] = []
    here = document
    for index, part in enumerate(parts, 1):
        if isinstance(here, dict):
            fields = cast("dict[int | str, Any]", here)
            is_between = index < len(parts) and part not in fields
            if is_between and fields.get("type", part) == part:
                continue
            here = fields.get(part)
        elif isinstance(here, list) and isinstance(part, int):
            items = cast("list[Any]", here)
            here = items[part] if part < len(items) else None
        else:
            here = None
        place.append(part)
    return place


def tell(fields: Sequence[Mapping[str, str]], most: int = 3) -> str:
    """The first of several problems, `{"path", "message"}` each, in one line: `max_seconds: must be at least 1`.

    A field of the spec is called as the form, the SDK and the YAML call it, without `spec.` before it.
    """
    named = [(field["path"].removeprefix("spec."), field["message"]) for field in fields[:most]]
    return "; ".join(f"{path}: {message}" if path else message for path, message in named)
