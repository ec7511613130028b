"""The search space of a tuning: a row for each hyperparameter that is searched, with what may be tried for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]

from orrery.errors import Invalid
from orrery_widgets import parts
from orrery_widgets.fields import FormField
from orrery_widgets.space import (
    Dimension,
    choices_of,
    chosen_values,
    how_of,
    read_condition,
    read_dimension,
    read_number,
    read_values,
    searchable_fields,
    type_words,
    write_condition,
    write_dimension,
    write_value,
)

_HOWS: list[parts.Choice] = [("a range", "range"), ("these values", "values")]


class SpaceRow(widgets.VBox):
    """One searched hyperparameter. `field` is its declaration, None where the algorithm declares none."""

    def __init__(
        self,
        name: str,
        field: FormField | None,
        dimension: Mapping[str, Any],
        *,
        changed: Callable[[], None],
        remove: Callable[[], None],
    ) -> None:
        self.name = name
        self._tell = changed
        self._choices = choices_of(field)
        #: what has no control here, such as a type that was given in code
        self._kept = {key: dimension[key] for key in ("type",) if key in dimension}
        named = f"<span class='orrw-hidden'>{escape(name)}: </span>"
        self.how_input: Any = _small(widgets.Dropdown, f"{named}Try", options=_HOWS, value=how_of(dimension, field))
        hints = field.bounds if field is not None else ""
        low, high, step = (write_value(dimension.get(key)) for key in ("low", "high", "step"))
        self.low_input: Any = _small(widgets.Text, f"{named}Min", value=low, tooltip=hints)
        self.high_input: Any = _small(widgets.Text, f"{named}Max", value=high, tooltip=hints)
        self.step_input: Any = _small(widgets.Text, f"{named}Step", value=step, placeholder="none")
        self.log_input: Any = _small(
            widgets.Checkbox,
            f"{named}log",
            value=bool(dimension.get("log")),
            indent=False,
            tooltip="Try each order of magnitude as often as another",
        )
        values: Any = dimension.get("values") or ()
        if self._choices is None:
            written = ", ".join(write_value(value) for value in values)
            self.values_input: Any = _small(
                widgets.Text, f"{named}Values", value=written, placeholder="separated by commas: sgd, adam", wide=True
            )
        else:
            options = [(write_value(choice), choice) for choice in self._choices]
            tried = chosen_values(dimension, self._choices)
            self.values_input = _small(
                widgets.SelectMultiple, f"{named}Values", options=options, value=tried, rows=min(6, len(options))
            )
        self.when_input: Any = _small(
            widgets.Text,
            f"{named}Only where",
            value=write_condition(dimension.get("when") or {}),
            placeholder="always; or another's value: booster=dart",
            wide=True,
        )
        self._fault = parts.html()
        head = parts.html(f"<b>{escape(name)}</b> {parts.soft(type_words(field))}")
        self.remove_button: Any = parts.button(f"Do not search {name}", remove)
        self._range = parts.row([self.low_input, self.high_input, self.step_input, self.log_input])
        inputs = [self._range, self.values_input]
        #: choices and texts have no range
        has_both = self._choices is None and (field is None or field.kind != "text")
        if has_both:
            inputs.insert(0, self.how_input)
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            [
                parts.row([head, self.remove_button], justify_content="space-between"),
                parts.row([*inputs, self.when_input]),
                self._fault,
            ]
        )
        self.add_class("orrw-space-row")  # pyright: ignore[reportUnknownMemberType]
        for control in (*inputs, self.low_input, self.high_input, self.step_input, self.log_input, self.when_input):
            if control is not self._range:
                parts.observe(control, self._changed)
        self._show_how()

    @property
    def value(self) -> Dimension:
        """What the platform is told of it. Raises: Invalid where a bound is no number, or a condition unreadable."""
        dimension: Dimension = dict(self._kept)
        if self.how_input.value == "values":
            chosen = self.values_input.value
            dimension["values"] = read_values(chosen) if self._choices is None else list(chosen)
        else:
            bounds = {"low": self.low_input, "high": self.high_input, "step": self.step_input}
            for key, control in bounds.items():
                number = read_number(control.value, key, self.name)
                if number is not None:
                    dimension[key] = number
            if self.log_input.value:
                dimension["log"] = True
        when = read_condition(self.when_input.value, self.name)
        return {**dimension, "when": when} if when else dimension

    @property
    def fault(self) -> str:
        """What is wrong with it, as HTML."""
        return str(self._fault.value)

    def set_fault(self, message: str) -> None:
        self._fault.value = parts.alert(message) if message else ""

    def focus(self) -> None:
        """Put the keyboard's focus into its first input."""
        first = self.values_input if self.how_input.value == "values" else self.low_input
        first.focus()

    def _changed(self) -> None:
        self.set_fault("")
        self._show_how()
        self._tell()

    def _show_how(self) -> None:
        is_range = self.how_input.value == "range"
        parts.show(self._range, is_range)
        parts.show(self.values_input, not is_range)


def _small(kind: Any, label: str, *, wide: bool = False, **options: Any) -> Any:
    """A control whose label, which may have hidden words, is as wide as they are."""
    layout = widgets.Layout(width="340px" if wide else "auto" if kind is not widgets.Text else "150px")
    style = {} if kind is widgets.Checkbox else {"style": {"description_width": "initial"}}
    return kind(description=label, description_allow_html=True, layout=layout, **style, **options)


class SpaceInput(widgets.VBox):
    """`value` is the space as `client.tune` takes it; `changed` is called when it, or what is in it, has changed."""

    def __init__(self, given: Mapping[str, str | Mapping[str, Any]], *, changed: Callable[[], None]) -> None:
        self._given: dict[str, str | Mapping[str, Any]] = dict(given)
        self._tell = changed
        self._declared: dict[str, FormField] = {}
        self._takes_others = True
        self.rows: dict[str, SpaceRow] = {}
        self._box = parts.box()
        self._fault = parts.html()
        self.choice_input: Any = parts.dropdown("Hyperparameter", width="420px")
        self.add_button: Any = parts.button("Add", self._add_chosen, tooltip="Search the chosen hyperparameter")
        self.other_input: Any = parts.text("Another name", width="420px")
        self.add_other_button: Any = parts.button("Add this name", self._add_other)
        self._offer = parts.row([self.choice_input, self.add_button])
        self._offer_other = parts.row([self.other_input, self.add_other_button])
        super().__init__([self._box, self._fault, self._offer, self._offer_other])  # pyright: ignore[reportUnknownMemberType]

    @property
    def names(self) -> list[str]:
        """What is searched, in the order of its rows."""
        return list(self.rows)

    @property
    def value(self) -> dict[str, str | Dimension]:
        """Raises: Invalid naming the parameter."""
        return {name: write_dimension(row.value) for name, row in self.rows.items()}

    @property
    def fault(self) -> str:
        """What is wrong with the space as a whole, as HTML."""
        return str(self._fault.value)

    def set_schema(self, schema: Mapping[str, Any]) -> None:
        """The parameters of another algorithm: those that it also knows, or may know, stay searched.

        Raises: Invalid for a text given in code that is no search space.
        """
        for name, row in self.rows.items():
            try:
                self._given[name] = row.value
            except Invalid:
                continue  # half-written: it begins anew
        wanted = self.names or list(self._given)
        self._declared = searchable_fields(schema)
        self._takes_others = schema.get("additionalProperties") is not False
        self.rows = {}
        for name in wanted:
            if name in self._declared or self._takes_others:
                self.rows[name] = self._make_row(name, read_dimension(self._given.get(name, {})))
        self._arrange()

    def add(self, name: str, given: str | Mapping[str, Any] | None = None) -> None:
        """Search one more; nothing happens to one that is searched already. Raises: Invalid."""
        if name not in self.rows:
            dimension = given if given is not None else self._given.get(name, {})
            self.rows[name] = self._make_row(name, read_dimension(dimension))
            self._arrange()
            self._changed()

    def remove(self, name: str) -> None:
        """Search it no more, nor under the condition that it has a value."""
        if self.rows.pop(name, None) is None:
            return
        for row in self.rows.values():
            try:
                when = read_condition(row.when_input.value, row.name)
            except Invalid:
                continue  # half-written: left as it is
            if name in when:
                row.when_input.value = write_condition({key: one for key, one in when.items() if key != name})
        self._arrange()
        self._changed()

    def set_fault(self, name: str, message: str) -> None:
        """At the row of `name`; of the space as a whole where there is none."""
        if name in self.rows:
            self.rows[name].set_fault(message)
        else:
            self._fault.value = parts.alert(message)

    def clear_faults(self) -> None:
        self._fault.value = ""
        for row in self.rows.values():
            row.set_fault("")

    def _make_row(self, name: str, dimension: Dimension) -> SpaceRow:
        field = self._declared.get(name)
        return SpaceRow(name, field, dimension, changed=self._tell, remove=lambda: self._removed(name))

    def _removed(self, name: str) -> None:
        self.remove(name)
        # the button that had the focus is gone
        if self._offer.layout.display != "none":
            self.choice_input.focus()
        else:
            self.other_input.focus()

    def _add_chosen(self) -> None:
        self._add_and_focus(self.choice_input.value)

    def _add_other(self) -> None:
        name, self.other_input.value = self.other_input.value.strip(), ""
        self._add_and_focus(name)

    def _add_and_focus(self, name: str | None) -> None:
        if name:
            self.add(name)
            self.rows[name].focus()

    def _arrange(self) -> None:
        self._box.children = list(self.rows.values())
        offered: list[parts.Choice] = [(name, name) for name in self._declared if name not in self.rows]
        parts.set_choices(self.choice_input, offered)
        parts.show(self._offer, bool(offered))
        parts.show(self._offer_other, self._takes_others)

    def _changed(self) -> None:
        self._fault.value = ""
        self._tell()
