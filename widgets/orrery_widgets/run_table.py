"""Trainings with their parameters and metrics; several of them side by side, with their curves.

from orrery_widgets import RunTable
RunTable(experiment="comparison", columns=["max_depth", "roc_auc", "duration"])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from orrery.client import Algorithm, Client, Experiment, Resource, Training
from orrery.client.resources import MetricPoint
from orrery.errors import NotFound
from orrery_widgets import chart, code, parts, runs
from orrery_widgets.panel import Panel
from orrery_widgets.run_columns import best_of, cells, offered_columns, read_columns, title_of, usual_columns
from orrery_widgets.runs import Run

#: more are searched on the platform, not in a table
MOST = 500
PAGE = 20
_NAME_WIDTH, _COLUMN_WIDTH = 234, 94
_STATES = ("Pending", "Running", "Completed", "Failed", "Cancelled")
_ROW_STYLE = """<style>
.orrw-run { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(84px, 1fr); gap: 10px; }
.orrw-run span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.orrw-head .orrw-run span { font-weight: 600; }
</style>"""


_COLUMNS_HELP = "<div class='orrw-help'>Several with Ctrl; with none, those that tell the runs apart.</div>"


class RunTable(Panel):
    """A table that follows the platform. `id` (one or several) opens it with these runs chosen.

    `columns` are facts ("algorithm", "phase", "dataset", "experiment", "owner", "created", "duration"), metrics and
    parameters by their names, in that order; `metric:NAME` and `parameter:NAME` say which is meant. Without, those that
    tell the runs apart are chosen.
    """

    def __init__(
        self,
        experiment: str | Experiment | None = None,
        algorithm: str | Algorithm | None = None,
        *,
        columns: Sequence[str] = (),
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
        #: of each algorithm's id, its parameters with their defaults
        self._defaults: dict[str, Mapping[str, Any]] = {}
        self._page = 0
        self._asked = list(columns)
        self.runs: list[Run] = []

        self.filter_input: Any = parts.text("Filter", placeholder="name, algorithm, dataset, experiment", width="460px")
        states: list[parts.Choice] = [("(all)", ""), *((state, state) for state in _STATES)]
        self.state_input: Any = parts.dropdown("State", states, "", width="320px")
        self.order_input: Any = parts.dropdown("Sort by", runs.COMMON_ORDERS, "created", width="420px")
        self.descending: Any = parts.toggle("Descending", lambda _: self.turn_to(0), value=True)
        for control in (self.filter_input, self.state_input, self.order_input):
            parts.observe(control, lambda: self.turn_to(0))
        self.columns_input: Any = parts.several("Columns", [], rows=8)
        self._is_offering = False
        parts.observe(self.columns_input, self._columns_chosen)
        self._columns_box = parts.box([self.columns_input, parts.html(_COLUMNS_HELP)])
        parts.show(self._columns_box, False)
        self._columns_toggle = parts.toggle("Columns", lambda value: parts.show(self._columns_box, value))
        self._head = parts.html()
        self._list = parts.box()
        self._previous = parts.button("Previous", lambda: self.turn_to(self._page - 1), tooltip="Runs before these")
        self._next = parts.button("Next", lambda: self.turn_to(self._page + 1), tooltip="Runs after these")
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
                parts.row([self.order_input, self.descending, self._columns_toggle]),
                self._columns_box,
                parts.box([self._head, self._list], overflow="auto", width="100%"),
                parts.row([self._previous, self._next, self._count]),
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

    def turn_to(self, page: int) -> None:
        """Show another page, from 0."""
        self._page = page
        self.run(self._draw)

    @property
    def columns(self) -> list[str]:
        """The keys of the columns that are shown: `phase`, `metric:accuracy`, `parameter:max_depth`."""
        return read_columns(self._asked, self.runs)[0] if self._asked else usual_columns(self.shown)

    @columns.setter
    def columns(self, columns: Sequence[str]) -> None:
        """By their names or keys; none: those that tell the runs apart."""
        self._asked = list(columns)
        self.run(self._set_columns)

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
        self._chosen = [self.client.find(one, "training").id for one in self._chosen]
        self._read()
        self.listen(["training"], self._read, every_seconds=2.0)

    def _read_algorithm(self, id: str) -> None:
        """Once: its metrics' goals, its parameters and their defaults; of one that is gone nothing is known."""
        self._defaults[id] = {}
        try:
            algorithm = self.client.algorithms.get(id)
        except NotFound:
            return
        self._goals.update({one["name"]: one["goal"] for one in algorithm.spec.get("metrics") or ()})
        properties: Mapping[str, Mapping[str, Any]] = algorithm.parameters_schema.get("properties") or {}
        self._defaults[id] = {name: schema.get("default") for name, schema in properties.items()}

    def _read(self) -> None:
        found = {training.id: training for training in self.client.trainings.list(limit=MOST)}
        for id in self._chosen:
            if id not in found:
                found[id] = self.client.trainings.get(id)
        for id, training in found.items():
            if id not in self._trainings or training.document["etag"] != self._trainings[id].document["etag"]:
                self._histories.pop(id, None)
        self._trainings = found
        for algorithm in {str(training.spec["algorithm"]) for training in found.values()} - self._defaults.keys():
            self._read_algorithm(algorithm)
        every = [runs.read_run(run, self._defaults[str(run.spec["algorithm"])]) for run in found.values()]
        kept = runs.filter_runs(every, experiment=self._experiment, algorithm=self._algorithm)
        self.runs = kept + [run for run in every if run.id in self._chosen and run not in kept]
        orders: list[parts.Choice] = list(runs.COMMON_ORDERS)
        orders += [(f"Metric {name}", runs.METRIC + name) for name in runs.metric_names(self.runs)]
        orders += [(f"Parameter {name}", runs.PARAMETER + name) for name in runs.differing_parameters(self.runs)]
        if list(self.order_input.options) != orders:
            parts.set_choices(self.order_input, orders)
        self._offer_columns()
        self._draw()
        self._set_side_by_side()

    # drawing

    def _offer_columns(self) -> None:
        """All columns that there are; those that are shown are chosen, in their order, without a change being told."""
        keys = self.columns
        offered = offered_columns(self.runs)
        titles = {key: label for label, key in offered}
        ordered = [(titles.get(key, title_of(key)), key) for key in keys]
        self._is_offering = True
        try:
            self.columns_input.options = [*ordered, *(choice for choice in offered if choice[1] not in keys)]
            self.columns_input.value = tuple(keys)
        finally:
            self._is_offering = False

    def _columns_chosen(self) -> None:
        if not self._is_offering:
            self._asked = [str(key) for key in self.columns_input.value]
            self.run(self._draw)

    def _set_columns(self) -> None:
        self._offer_columns()
        self._draw()

    def _draw(self) -> None:
        shown = self.shown
        self._page = max(0, min(self._page, (len(shown) - 1) // PAGE))
        first = self._page * PAGE
        page = shown[first : first + PAGE]
        keys = self.columns
        width = f"{_NAME_WIDTH + _COLUMN_WIDTH * len(keys)}px"
        titles = [title_of(key) for key in keys]
        head = "".join(f"<span title='{escape(one, quote=True)}'>{escape(one)}</span>" for one in titles)
        self._head.layout.min_width = width
        self._head.value = (
            f"{_ROW_STYLE}<div class='orrw-head' style='margin-left:{_NAME_WIDTH}px'>"
            f"<div class='orrw-run'>{head}</div></div>"
        )
        best = best_of(shown, keys, self._goals)
        self._list.children = [self._row(run, cells(run, keys, best), width) for run in page]
        for control, is_last in ((self._previous, first == 0), (self._next, first + PAGE >= len(shown))):
            control.disabled = is_last
            parts.show(control, len(shown) > PAGE)
        self._count.value = parts.soft(self._count_words(first, len(page), len(shown)))
        parts.show(self._head, bool(page))
        self.refresh_code()

    def _count_words(self, first: int, listed: int, found: int) -> str:
        if not self.runs:
            where = f" in experiment {self._experiment}" if self._experiment else ""
            return f"There is no run{where} yet. TrainingForm() begins one."
        place = f"{first + 1} to {first + listed} of" if found > PAGE else f"{listed} of"
        words = f"{place} {parts.plural(found, 'run')}"
        words += f", {len(self.runs)} without the filter" if found < len(self.runs) else ""
        words += f"; the newest {MOST} are read" if len(self._trainings) >= MOST else ""
        unknown = read_columns(self._asked, self.runs)[1]
        return f"{words}. No run has {', '.join(unknown)}" if unknown else words

    def _row(self, run: Run, values: str, width: str) -> Any:
        if run.id not in self._rows:
            box = parts.checkbox(run.name, run.id in self._chosen, width="230px")
            parts.observe(box, lambda: self._toggled(run.id, bool(box.value)))
            made = parts.html()
            box.layout.flex, made.layout.flex, made.layout.min_width = "0 0 230px", "1 1 0", "0"
            self._rows[run.id] = (box, parts.row([box, made], flex_flow="row nowrap", width="100%"))
        box, line = self._rows[run.id]
        box.tooltip = f"{run.owner}/{run.name}"
        line.layout.min_width = width
        line.children[1].value = values
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
        values = "".join(
            f"<td><b>{escape(parts.shown(value))}</b> (best)</td>"
            if place in line.best and not line.is_same
            else f"<td>{escape(parts.shown(value))}</td>"
            for place, value in enumerate(line.values)
        )
        css = " class='orrw-same'" if line.is_same else ""
        mark = "" if line.is_same else "<span title='differs' aria-label='differs'>≠</span>"
        body.append(f"<tr{css}><td>{mark}</td><th scope='row'>{escape(line.what)}</th>{values}</tr>")
    return (
        "<div class='orrw-scroll'><table aria-label='The chosen runs side by side'>"
        f"<thead><tr><td></td><td></td>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _name(given: str | Resource | None) -> str:
    """What runs are compared with: an id or a name."""
    if given is None:
        return ""
    return given if isinstance(given, str) else given.id if given.kind == "experiment" else given.name
