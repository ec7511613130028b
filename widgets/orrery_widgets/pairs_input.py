"""Variables and their values, one a line: what is written, or one of the names that are offered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]

from orrery.errors import Invalid
from orrery_widgets import parts
from orrery_widgets.fields import FormField

_NO_CHOICE = "<div class='orrw-soft'>There is none of yours yet: <code>client.secrets.set(name, value)</code></div>"


class PairsInput(widgets.VBox):
    """`value` is a mapping. With `choices` each value is one of them, and is called `called` on the page."""

    def __init__(
        self,
        field: FormField,
        value: Mapping[str, str] | None = None,
        *,
        choices: Sequence[str] | None = None,
        called: str = "Value",
        changed: Callable[[], None],
        prefix: str,
    ) -> None:
        self.field = field
        self._path = f"{prefix}{field.name}"
        self._choices, self._called, self._tell = choices, called, changed
        self.rows: list[tuple[Any, Any]] = []
        self._box = parts.box()
        self.add_button: Any = parts.button(f"Add {_article(field.title)}", self._add_another)
        self._fault = parts.html()
        label = parts.html(f"<b>{parts.escape(field.title)}</b>")
        described = parts.html(f"<div class='orrw-soft'>{parts.escape(field.help)}</div>")
        self._none = parts.html(_NO_CHOICE)
        children = [label, described, self._none, self._box, parts.row([self.add_button]), self._fault]
        super().__init__(children)  # pyright: ignore[reportUnknownMemberType]
        self.offer(choices)
        self.value = value or {}

    @property
    def value(self) -> dict[str, str]:
        """Lines without a variable are left out. Raises: Invalid where a variable stands twice."""
        found: dict[str, str] = {}
        for name_input, value_input in self.rows:
            name = name_input.value.strip()
            if name in found:
                message = f"{name} stands there twice; remove one of them"
                raise Invalid(message, fields=[{"path": self._path, "message": message}])
            if name:
                found[name] = value_input.value or ""
        return found

    @value.setter
    def value(self, value: Mapping[str, str]) -> None:
        self.rows = [self._make_row(name, text) for name, text in value.items()]
        self._arrange()

    def offer(self, choices: Sequence[str] | None) -> None:
        """What new lines can choose from; of None, values are written."""
        self._choices = choices
        is_empty = choices is not None and not choices
        parts.show(self.add_button, not is_empty)
        parts.show(self._none, is_empty)

    @property
    def fault(self) -> str:
        """What is wrong with it, as HTML."""
        return str(self._fault.value)

    def set_fault(self, message: str) -> None:
        self._fault.value = parts.alert(message) if message else ""

    def add(self, name: str, value: str) -> None:
        """One more line."""
        self.rows.append(self._make_row(name, value))
        self._arrange()
        self._changed()

    def remove(self, place: int) -> None:
        """Without the line at that place, counted from 0."""
        del self.rows[place]
        self._arrange()
        self._changed()
        self.add_button.focus()

    def _add_another(self) -> None:
        self.add("", (self._choices or [""])[0])
        self.rows[-1][0].focus()

    def _make_row(self, name: str, value: str) -> tuple[Any, Any]:
        style = {"description_width": "initial"}
        name_input: Any = widgets.Text(
            description="Variable", value=name, style=style, layout=widgets.Layout(width="300px")
        )
        wide = widgets.Layout(width="380px", max_width="100%")
        if self._choices is None:
            value_input: Any = widgets.Text(description=self._called, value=value, style=style, layout=wide)
        else:
            # one that was given and is not one's own is kept
            offered = list(dict.fromkeys([*self._choices, *([value] if value else [])]))
            value_input = widgets.Dropdown(
                description=self._called, options=offered, value=value or None, style=style, layout=wide
            )
        for control in (name_input, value_input):
            parts.observe(control, self._changed)
        return name_input, value_input

    def _arrange(self) -> None:
        self._box.children = [
            parts.row([*row, parts.button("Remove", lambda place=place: self.remove(place), tooltip=f"Remove {place}")])
            for place, row in enumerate(self.rows)
        ]

    def _changed(self) -> None:
        self.set_fault("")
        self._tell()


def _article(title: str) -> str:
    return {"Environment": "a variable", "Secrets": "a secret"}.get(title, "a line")
