"""Trainings with their parameters and metrics; several of them side by side, with their curves.

from orrery_widgets import RunTable
RunTable(experiment="comparison")
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from orrery.client import Algorithm, Client, Experiment, Resource, Training
from orrery.client.displays import duration_text
from orrery.client.resources import MetricPoint
from orrery_widgets import chart, code, parts, runs
from orrery_widgets.panel import Panel
from orrery_widgets.runs import Run

#: more are searched on the platform, not in a table
MOST = 500
PAGE = 20
_MOST_METRICS, _MOST_PARAMETERS = 3, 3
_STATES = ("Pending", "Running", "Completed", "Failed", "Cancelled")
_ROW_STYLE = """<style>
.orrw-run { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); gap: 10px; }
.orrw-run span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.orrw-head .orrw-run span { font-weight: 600; }
</style>"""


class RunTable(Panel):
    """A table that follows the platform. `id` (one or several) opens it with these runs chosen."""

    def __init__(
        self,
        experiment: str | Experiment | None = None,
        algorithm: str | Algorithm | None = None,
        *,
        id: str | Sequence[str] = (),
        client: Client | None = None,
    ) -> None:
        super().__init__("Runs", client=client)
        self._experiment, self._algorithm = _name(experiment), _name(algorithm)
        self._chosen: list[str] = [id] if isinstance(id, str) else list(id)
        self._trainings: dict[str, Training] = {}
        self._histories: dict[str, dict[str, list[MetricPoint]]] = {}
        self._goals: dict[str, str] = {}
        self._rows: dict[str, tuple[Any, Any]] = {}
        self._shown = PAGE
        self.runs: list[Run] = []

        self.filter_input: Any = parts.text("Filter", placeholder="name, algorithm, dataset, experiment", width="460px")
        states: list[parts.Choice] = [("(all)", ""), *((state, state) for state in _STATES)]
        self.state_input: Any = parts.dropdown("State", states, "", width="320px")
        self.order_input: Any = parts.dropdown("Sort by", runs.COMMON_ORDERS, "created", width="420px")
        self.descending: Any = parts.toggle("Descending", lambda _: self.run(self._draw), value=True)
        for control in (self.filter_input, self.state_input, self.order_input):
            parts.observe(control, lambda: self.run(self._draw))
        self._head = parts.html()
        self._list = parts.box()
        self._more = parts.button("Show more", self.show_more)
        self._count = parts.html()
        self.metric_input: Any = parts.dropdown("Curves of")
        parts.observe(self.metric_input, lambda: self.run(self._draw_curves))
        self._curves, self._differences = parts.html(), parts.html()
        self._comparison = parts.box([parts.html(parts.group("Side by side")), self.metric_input])
        self._comparison.children = [*self._comparison.children, self._curves, self._differences]
        parts.show(self._comparison, False)
        self.set_body(
            [
                parts.row([self.filter_input, self.state_input]),
                parts.row([self.order_input, self.descending]),
                self._head,
                self._list,
                parts.row([self._count, self._more]),
                self._comparison,
            ]
        )
        self.run(self._begin)

    # what a person does

    def choose(self, *ids: str) -> None:
        """Set these runs side by side."""
        self._chosen = list(ids)
        for id, (box, _) in self._rows.items():
            box.value = id in self._chosen
        self.run(self._set_side_by_side)

    def show_more(self) -> None:
        self._shown += PAGE
        self.run(self._draw)

    @property
    def shown(self) -> list[Run]:
        """The runs after filter and order."""
        found = runs.filter_runs(self.runs, text=self.filter_input.value, state=self.state_input.value)
        return runs.sort_runs(found, self.order_input.value, descending=bool(self.descending.value))

    @property
    def curves(self) -> str:
        """The drawn curves, as HTML."""
        return str(self._curves.value)

    @property
    def differences(self) -> str:
        """The runs side by side, as HTML."""
        return str(self._differences.value)

    def code(self) -> str:
        if not self._chosen:
            each = "for training in client.trainings.list(limit=20):\n    print(training.name, training.metrics)"
            return code.program(each)
        gets = ",\n    ".join(f"client.trainings.get({code.literal(id)})" for id in self._chosen)
        metric = code.literal(self.metric_input.value or "validation_log_loss")
        curves = f"curves = {{run.name: run.metrics_history().get({metric}, []) for run in runs}}"
        return code.program(f"runs = [\n    {gets},\n]", curves)

    # reading

    def _begin(self) -> None:
        for algorithm in self.client.algorithms.list(limit=MOST):
            self._goals.update({one["name"]: one["goal"] for one in algorithm.spec.get("metrics") or ()})
        self._read()
        self.listen(["training"], self._read, every_seconds=2.0)

    def _read(self) -> None:
        found = {training.id: training for training in self.client.trainings.list(limit=MOST)}
        for id in self._chosen:
            if id not in found:
                found[id] = self.client.trainings.get(id)
        for id, training in found.items():
            if id not in self._trainings or training.document["etag"] != self._trainings[id].document["etag"]:
                self._histories.pop(id, None)
        self._trainings = found
        every = [runs.read_run(training) for training in found.values()]
        kept = runs.filter_runs(every, experiment=self._experiment, algorithm=self._algorithm)
        self.runs = kept + [run for run in every if run.id in self._chosen and run not in kept]
        orders: list[parts.Choice] = list(runs.COMMON_ORDERS)
        orders += [(f"Metric {name}", runs.METRIC + name) for name in runs.metric_names(self.runs)]
        orders += [(f"Parameter {name}", runs.PARAMETER + name) for name in runs.differing_parameters(self.runs)]
        if list(self.order_input.options) != orders:
            parts.set_choices(self.order_input, orders)
        self._draw()
        self._set_side_by_side()

    # drawing

    def _draw(self) -> None:
        shown = self.shown
        page = shown[: self._shown]
        metrics = runs.metric_names(shown)[:_MOST_METRICS]
        parameters = runs.differing_parameters(shown)[:_MOST_PARAMETERS]
        titles = ["Algorithm", "Phase", *parameters, *metrics, "Duration"]
        head = "".join(f"<span title='{escape(one, quote=True)}'>{escape(one)}</span>" for one in titles)
        self._head.value = (
            f"{_ROW_STYLE}<div class='orrw-head' style='margin-left:234px'><div class='orrw-run'>{head}</div></div>"
        )
        self._list.children = [self._row(run, parameters, metrics) for run in page]
        parts.show(self._more, len(shown) > len(page))
        if self.runs:
            words = f"{len(page)} of {parts.plural(len(shown), 'run')}"
            words += f", {len(self.runs)} without the filter" if len(shown) < len(self.runs) else ""
        else:
            where = f" in experiment {self._experiment}" if self._experiment else ""
            words = f"There is no run{where} yet. TrainingForm() begins one."
        self._count.value = parts.soft(words)
        parts.show(self._head, bool(page))
        self.refresh_code()

    def _row(self, run: Run, parameters: Sequence[str], metrics: Sequence[str]) -> Any:
        if run.id not in self._rows:
            box = parts.checkbox(run.name, run.id in self._chosen, width="230px")
            parts.observe(box, lambda: self._toggled(run.id, bool(box.value)))
            cells = parts.html()
            box.layout.flex, cells.layout.flex, cells.layout.min_width = "0 0 230px", "1 1 0", "0"
            self._rows[run.id] = (box, parts.row([box, cells], flex_flow="row nowrap", width="100%"))
        box, line = self._rows[run.id]
        box.tooltip = f"{run.owner}/{run.name}"
        values = [run.algorithm, run.phase, *(run.parameters.get(name, "default") for name in parameters)]
        values += [run.metrics.get(name) for name in metrics]
        values.append(duration_text(run.duration_seconds) if run.duration_seconds is not None else None)
        shown = [escape(parts.shown(value), quote=True) for value in values]
        cells = "".join(f"<span title='{value}'>{value}</span>" for value in shown)
        line.children[1].value = f"<div class='orrw-run'>{cells}</div>"
        return line

    def _toggled(self, id: str, is_chosen: bool) -> None:
        if is_chosen == (id in self._chosen):
            return
        self._chosen = [*self._chosen, id] if is_chosen else [one for one in self._chosen if one != id]
        self.run(self._set_side_by_side)

    # side by side

    def _set_side_by_side(self) -> None:
        chosen = [id for id in self._chosen if id in self._trainings]
        for id in chosen:
            if id not in self._histories:
                self._histories[id] = self._trainings[id].metrics_history()
        names = dict.fromkeys(name for id in chosen for name in self._histories[id])
        lines = [name for name in names if any(len(self._histories[id].get(name, ())) > 1 for id in chosen)]
        parts.set_choices(self.metric_input, [(name, name) for name in lines or names])
        self._draw_curves()
        by_id = {run.id: run for run in self.runs}
        selected = [by_id[id] for id in chosen if id in by_id]
        self._differences.value = _table(selected, runs.compare(selected, self._goals)) if len(selected) > 1 else ""
        parts.show(self._comparison, bool(chosen))
        self.refresh_code()

    def _draw_curves(self) -> None:
        metric = self.metric_input.value
        chosen = [id for id in self._chosen if id in self._histories]
        curves = [
            chart.Curve(
                self._trainings[id].name,
                [
                    (float(point.step if point.step is not None else place), point.value)
                    for place, point in enumerate(self._histories[id].get(metric, ()))
                ],
            )
            for id in chosen
        ]
        self._curves.value = chart.line_chart(curves, label=str(metric)) if metric and curves else ""


def _table(selected: Sequence[Run], lines: Sequence[runs.Difference]) -> str:
    """What differs first; what is the same is paler, and the best of each metric is bold."""
    head = "".join(f"<th scope='col'>{escape(run.name)}</th>" for run in selected)
    body: list[str] = []
    for line in lines:
        cells = "".join(
            f"<td><b>{escape(parts.shown(value))}</b> (best)</td>"
            if place in line.best and not line.is_same
            else f"<td>{escape(parts.shown(value))}</td>"
            for place, value in enumerate(line.values)
        )
        css = " class='orrw-same'" if line.is_same else ""
        body.append(f"<tr{css}><th scope='row'>{escape(line.what)}</th>{cells}</tr>")
    return (
        "<div class='orrw-scroll'><table aria-label='The chosen runs side by side'>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _name(given: str | Resource | None) -> str:
    """What runs are compared with: an id or a name."""
    if given is None:
        return ""
    return given if isinstance(given, str) else given.id if given.kind == "experiment" else given.name
