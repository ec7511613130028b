"""One field of a form: its control, its help, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]

from orrery.client.times import parse_duration, parse_moment
from orrery.errors import Invalid
from orrery_widgets import parts
from orrery_widgets.fields import FormField

#: where the platform names a field that is a parameter
PARAMETERS: Final = "spec.parameters."
#: what may be written, as the field itself says it while it is empty
_PLACEHOLDERS: Final = {"duration": "no limit; 90s, 15m, 2h or 1d", "moment": "at once; 22:00 or 2026-01-31T22:00"}


class Input(widgets.VBox):
    """A control made for a field. `value` is what would be sent; `prefix` with the field's name is its path there."""

    def __init__(
        self,
        field: FormField,
        value: Any = None,
        *,
        changed: Callable[[], None] | None = None,
        prefix: str = PARAMETERS,
    ) -> None:
        self.field = field
        self._path = f"{prefix}{field.name}"
        #: what was given in code for a column, until the dataset's columns are known
        self._wanted: Any = value if value is not None else field.default
        self.control = _make_control(field, self._wanted)
        self._fault = parts.html()
        super().__init__([self.control, *_help(field), self._fault])  # pyright: ignore[reportUnknownMemberType]
        self.add_class("orrw-field")  # pyright: ignore[reportUnknownMemberType]
        parts.observe(self.control, self._changed)
        self._tell = changed

    @property
    def value(self) -> Any:
        """Raises: Invalid where the text is no number, or no JSON."""
        return _read(self.field, self.control.value, self._path)

    @value.setter
    def value(self, value: Any) -> None:
        self.control.value = _written(self.field, value)

    def set_choices(self, choices: Sequence[Any]) -> None:
        """What is offered, of a choice; None is offered as none. What was chosen stays where it can."""
        self.field = replace(self.field, choices=tuple(choices))
        parts.set_choices(self.control, _choices(self.field))

    @property
    def fault(self) -> str:
        """What is wrong with it, as HTML."""
        return str(self._fault.value)

    def set_fault(self, message: str) -> None:
        self._fault.value = parts.alert(message) if message else ""

    def set_columns(self, columns: Sequence[str]) -> None:
        """The columns that can be chosen; a column that was asked for and is there is chosen."""
        if self.field.kind == "column":
            none: list[parts.Choice] = [("(choose)", "")] if self.field.required else [("(the default)", "")]
            parts.set_choices(self.control, [*none, *((name, name) for name in columns)], self._wanted or None)
        elif self.field.kind == "columns":
            wanted: Sequence[str] = self._wanted or ()
            chosen = [name for name in wanted if name in columns]
            self.control.options = [(name, name) for name in columns]
            self.control.value = tuple(chosen)

    def _changed(self) -> None:
        if self.field.kind in ("column", "columns") and self.control.value:
            self._wanted = self.control.value
        self.set_fault("")
        if self._tell is not None:
            self._tell()


def _help(field: FormField) -> list[Any]:
    words = " ".join(part for part in (field.help, f"({field.bounds})" if field.bounds else "") if part)
    return [parts.html(f"<div class='orrw-help'>{parts.escape(words)}</div>")] if words else []


def _make_control(field: FormField, value: Any) -> Any:
    match field.kind:
        case "integer" | "number" if not field.optional:
            return parts.number(field.title, value if value is not None else 0, integer=field.kind == "integer")
        case "boolean" if not field.optional:
            made = parts.checkbox(field.title, bool(value))
            made.layout.margin = "2px 0 0 174px"
            return made
        case "choice":
            made = parts.dropdown(field.title, _choices(field))
            if value in field.choices:
                made.value = _written(field, value)
            return made
        case "column":
            return parts.dropdown(field.title, [("(choose a dataset first)", "")])
        case "columns":
            return parts.several(field.title, [])
        case _:
            empty = _PLACEHOLDERS.get(field.kind, "empty" if field.optional else "")
            return parts.text(field.title, _written(field, value), placeholder=empty)


def _choices(field: FormField) -> list[parts.Choice]:
    # to a drop-down None is that nothing is chosen
    return [("(none)", "") if choice is None else (str(choice), choice) for choice in field.choices]


def _written(field: FormField, value: Any) -> Any:
    """`value` as the field's control holds it."""
    if field.kind in ("duration", "moment"):
        return "" if value is None else _duration(value) if isinstance(value, int) else str(value)
    is_text = field.kind in ("text", "json") or (field.optional and field.kind in ("integer", "number", "boolean"))
    if field.kind == "choice":
        return "" if value is None and None in field.choices else value
    if field.kind == "columns":
        return tuple(value or ())
    if not is_text:
        return value
    if value is None:
        return ""
    return value if isinstance(value, str) and field.kind == "text" else json.dumps(value)


def _read(field: FormField, held: Any, path: str) -> Any:
    match field.kind:
        case "columns":
            return list(held)
        case "choice":
            return None if held == "" and None in field.choices else held
        case "text":
            return None if field.optional and not held else held
        case "duration" | "moment":
            return _time(field, held, path)
        case "json":
            return _parsed(field, held, path)
        case "integer" | "number" | "boolean" if field.optional:
            return _parsed(field, held, path)
        case _:
            return held


def _time(field: FormField, text: str, path: str) -> int | str | None:
    """Seconds, or a moment with its time zone; None where nothing is written. Raises: Invalid."""
    text = text.strip()
    if not text:
        return None
    try:
        return parse_duration(text) if field.kind == "duration" else parse_moment(text).isoformat()
    except Invalid as error:
        message = f"{field.title}: {error.message}"
        raise Invalid(message, fields=[{"path": path, "message": message}]) from None


def _duration(seconds: int) -> str:
    """`2h` for 7200, as `parse_duration` reads it."""
    unit, letter = next(pair for pair in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")) if seconds % pair[0] == 0)
    return f"{seconds // unit}{letter}"


def _parsed(field: FormField, text: str, path: str) -> Any:
    """JSON; plain words are text where the field may hold any. Raises: Invalid."""
    if not text.strip():
        return None if field.optional else field.default
    try:
        return json.loads(text)
    except ValueError:
        wanted = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}.get(
            field.kind, 'JSON, such as [1, 2] or {"a": 1}'
        )
        message = f"{field.title} is {text!r}; write {wanted}"
        raise Invalid(message, fields=[{"path": path, "message": message}]) from None
