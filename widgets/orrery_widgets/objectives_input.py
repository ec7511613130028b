"""What a tuning makes as good as it can: metrics that the algorithm declares, or named freely."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]

from orrery_widgets import parts

#: as many as the platform takes
MOST = 5
_GOALS: list[parts.Choice] = [("maximized", "maximize"), ("minimized", "minimize")]


class ObjectiveRow(widgets.VBox):
    """One metric, and which way is better."""

    def __init__(self, given: Mapping[str, str], goals: Mapping[str, str], changed: Callable[[], None]) -> None:
        self._goals = goals
        self._tell = changed
        self.metric_input: Any = widgets.Combobox(
            description="Metric",
            value=given.get("metric", ""),
            options=list(goals),
            placeholder="choose one, or write its name",
            style={"description_width": parts.LABEL_WIDTH},
            layout=widgets.Layout(width="460px", max_width="100%"),
        )
        self.goal_input: Any = widgets.Dropdown(
            description="is to be",
            options=_GOALS,
            value=given.get("goal", "maximize"),
            style={"description_width": "initial"},
            layout=widgets.Layout(width="auto"),
        )
        self._fault = parts.html()
        self.line = parts.row([self.metric_input, self.goal_input])
        super().__init__([self.line, self._fault])  # pyright: ignore[reportUnknownMemberType]
        parts.observe(self.metric_input, self._metric_changed)
        parts.observe(self.goal_input, self._changed)

    @property
    def value(self) -> str:
        """`maximize:roc_auc`."""
        return f"{self.goal_input.value}:{self.metric_input.value.strip()}"

    @property
    def fault(self) -> str:
        """What is wrong with it, as HTML."""
        return str(self._fault.value)

    def set_fault(self, message: str) -> None:
        self._fault.value = parts.field_alert(message) if message else ""

    def set_goals(self, goals: Mapping[str, str]) -> None:
        """The metrics that are declared, each with its better way."""
        self._goals = goals
        self.metric_input.options = list(goals)

    def _metric_changed(self) -> None:
        self.goal_input.value = self._goals.get(self.metric_input.value, self.goal_input.value)
        self._changed()

    def _changed(self) -> None:
        self.set_fault("")
        self._tell()


class ObjectivesInput(widgets.VBox):
    """`value` is the objective as `client.tune` takes it: one text, or a list of several."""

    def __init__(
        self,
        given: str | Mapping[str, str] | Sequence[str | Mapping[str, str]] | None,
        *,
        changed: Callable[[], None],
    ) -> None:
        self._tell = changed
        self._goals: dict[str, str] = {}
        listed = [] if given is None else [given] if isinstance(given, str | Mapping) else list(given)
        self._help = parts.html()
        self._box = parts.box()
        self.add_button: Any = parts.button("Add a metric", self._add_another)
        self.rows: list[ObjectiveRow] = []
        super().__init__([self._help, self._box, parts.row([self.add_button])])  # pyright: ignore[reportUnknownMemberType]
        for one in listed or [{}]:
            self.add(one)

    @property
    def value(self) -> str | list[str]:
        values = [row.value for row in self.rows]
        return values[0] if len(values) == 1 else values

    def set_description(self, words: str) -> None:
        """What stands above the metrics."""
        self._help.value = f"<div class='orrw-help'>{escape(words)}</div>"

    def set_metrics(self, declared: Sequence[Mapping[str, Any]]) -> None:
        """What another algorithm declares."""
        self._goals = {str(one["name"]): str(one.get("goal") or "maximize") for one in declared}
        for row in self.rows:
            row.set_goals(self._goals)

    def add(self, given: str | Mapping[str, str]) -> None:
        """`maximize:roc_auc`, or its fields."""
        if isinstance(given, str):
            goal, _, metric = given.rpartition(":")
            given = {"metric": metric, "goal": goal or "maximize"}
        row = ObjectiveRow(given, self._goals, self._tell)
        self.rows.append(row)
        self._arrange()

    def remove(self, row: ObjectiveRow) -> None:
        """The last one stays."""
        if len(self.rows) > 1:
            self.rows.remove(row)
            self._arrange()
            self._tell()
            self.rows[-1].metric_input.focus()

    def set_fault(self, place: int, message: str) -> None:
        """At the metric that the platform counts as `place`, from 0."""
        self.rows[min(place, len(self.rows) - 1)].set_fault(message)

    def clear_faults(self) -> None:
        for row in self.rows:
            row.set_fault("")

    def _add_another(self) -> None:
        self.add({})
        self._tell()
        self.rows[-1].metric_input.focus()

    def _arrange(self) -> None:
        for place, row in enumerate(self.rows, start=1):
            named = f"Metric {place}" if len(self.rows) > 1 else "Metric"
            row.metric_input.description = named
            controls: list[Any] = [row.metric_input, row.goal_input]
            if len(self.rows) > 1:
                controls.append(parts.button(f"Remove metric {place}", lambda row=row: self.remove(row)))
            row.line.children = controls
        self._box.children = list(self.rows)
        parts.show(self.add_button, len(self.rows) < MOST)
