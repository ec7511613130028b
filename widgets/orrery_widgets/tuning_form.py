"""Search for hyperparameters from a form that is made from the algorithm's own, and see the search to its end.

from orrery_widgets import TuningForm
TuningForm("xgboost", dataset="breast", target="diagnosis", space={"max_depth": "2..8"}, objective="maximize:roc_auc")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from orrery.client import Algorithm, Client, Dataset, DatasetVersion, Experiment, Template, Training, Tuning
from orrery.client.collection import Collection
from orrery.client.kinds import ID
from orrery.client.memory_fit import MemoryEstimate
from orrery.client.tunings import EarlyStop, Sampler
from orrery_widgets import code, parts
from orrery_widgets.fields import read_fields
from orrery_widgets.inputs import Input
from orrery_widgets.notebooks import Notebook, call_notebook
from orrery_widgets.objectives_input import ObjectivesInput
from orrery_widgets.run_form import RunForm
from orrery_widgets.space import SPACE
from orrery_widgets.space_input import SpaceInput
from orrery_widgets.tuning_view import TuningView

_SPEC: Final = "spec."
_OBJECTIVES: Final = "spec.objectives"
#: an argument of `client.tune` -> the field of the spec that it is
_SEARCH: Final = {"sampler": "sampler", "seed": "seed"}
_END: Final = {"trials": "max_trials", "parallel": "parallel", "goal": "goal_value", "max_failed": "max_failed"}
_STOPPING: Final = {"early_stop_metric": "early_stop_metric", "min_trials": "min_trials", "start_step": "start_step"}
_FIELDS: Final = {**_SEARCH, **_END, "early_stop": "early_stop", **_STOPPING}


_EARLIER_HELP: Final = (
    "<div class='orrw-help'>Tunings and trainings that the search knows from the beginning (a warm start): those that "
    "told the objectives. Several with Ctrl or Shift, none with Ctrl.</div>"
)

_NOTHING_EARLIER: Final = (
    "<div class='orrw-help'>There is no earlier tuning or training yet that the search could learn from.</div>"
)


class TuningForm(RunForm[Tuning]):
    """A form; once it is sent, the tuning below it in the place of the buttons.

    What is given opens the form with it, as `client.tune` takes it, over what a `template` says; `settings` are its
    further arguments: `priority`, `max_seconds`, `image`, `environment` ... `id` shows that tuning instead of a form.
    With a `key` the tuning that the form begins is tagged; the panel made again with the same key shows that tuning.
    """

    _kinds = ("training", "endpoint")
    _kind = "tuning"
    _suffix = "-tuning"

    def __init__(
        self,
        algorithm: str | Algorithm | None = None,
        dataset: str | Dataset | DatasetVersion | None = None,
        target: str | None = None,
        *,
        datasets: Mapping[str, str | Dataset | DatasetVersion] | None = None,
        space: Mapping[str, str | Mapping[str, Any]] | None = None,
        objective: str | Mapping[str, str] | Sequence[str | Mapping[str, str]] | None = None,
        parameters: Mapping[str, Any] | None = None,
        trials: int | None = None,
        parallel: int | None = None,
        sampler: Sampler | None = None,
        seed: int | None = None,
        goal: float | None = None,
        max_failed: int | None = None,
        early_stop: EarlyStop | None = None,
        early_stop_metric: str | None = None,
        min_trials: int | None = None,
        start_step: int | None = None,
        earlier: Sequence[str | Training | Tuning] = (),
        experiment: str | Experiment | None = None,
        instance_type: str | None = None,
        template: str | Template | None = None,
        name: str = "",
        id: str | None = None,
        key: str | None = None,
        client: Client | None = None,
        **settings: Any,
    ) -> None:
        """Raises: TypeError for a setting that there is not."""
        super().__init__(
            "Tune hyperparameters",
            "Start tuning",
            algorithm=algorithm,
            dataset=dataset,
            target=target,
            parameters=parameters,
            experiment=experiment,
            instance_type=instance_type,
            name=name,
            datasets=datasets,
            template=template,
            settings=settings,
            key=key,
            client=client,
        )
        self._given: dict[str, Any] = {
            "trials": trials,
            "parallel": parallel,
            "sampler": sampler,
            "seed": seed,
            "goal": goal,
            "max_failed": max_failed,
            "early_stop": early_stop,
            "early_stop_metric": early_stop_metric,
            "min_trials": min_trials,
            "start_step": start_step,
        }
        self._earlier = [_reference(run) for run in earlier]
        #: earlier tunings and trainings that the search knows from the beginning
        self.earlier_input: Any = parts.several("Earlier runs", [], rows=4)
        #: the tuning, below the form that began it
        self.view: TuningView | None = None
        self.space = SpaceInput(space or {}, changed=self._space_changed)
        self.objectives = ObjectivesInput(objective, changed=self._changed)
        #: how it is searched and when it ends, by the names of `client.tune`
        self.search: dict[str, Input] = {}
        self._stopping_box = parts.box()
        self._earlier_fault, self._earlier_help = parts.html(), parts.html()
        self._offer = self.offer_notebook(self._make_notebook)
        self.run(lambda: self._begin(id))

    # what a person does

    def write_notebook(self) -> None:
        """Write the call, and a look at what it finds, as a notebook beside the current one, and link it."""
        self._offer.write()

    @property
    def tuning(self) -> Tuning | None:
        """What it began; None before it is sent."""
        return self._begun

    def code(self) -> str:
        if self.tuning is not None:
            return code.program(code.call("client.tunings.get", self.tuning.id, result="tuning"), "tuning.wait()")
        return self._call_code("client.tune", "tuning")

    def stop(self) -> None:
        super().stop()
        if self.view is not None:
            self.view.stop()

    # making it

    @property
    def _collection(self) -> Collection[Tuning]:
        return self.client.tunings

    def _show_form(self) -> None:
        if not self.search:
            self._make_search()
        super()._show_form()
        self._offer_earlier()

    def _make_search(self) -> None:
        """The fields that the platform declares for every tuning. Raises: NotFound where it has none."""
        schema = self._declaration
        declared = {field.name: field for field in read_fields(schema)}
        self.search = {
            argument: Input(declared[name], self._given[argument], changed=self._changed, prefix=_SPEC)
            for argument, name in _FIELDS.items()
        }
        description = schema["properties"]["objectives"].get("description") or ""
        self.objectives.set_description(description)
        parts.observe(self.earlier_input, self._changed)
        parts.observe(self.search["early_stop"].control, self._show_stopping)
        parts.observe(self.search["parallel"].control, lambda: self.run(self._show_cost))
        self._stopping_box.children = [self.search[name] for name in _STOPPING]
        self._show_stopping()

    def _offer_earlier(self) -> None:
        """What has ended and found something; what was given or chosen stays, also where it is not among them."""
        offered: Sequence[str] = self._sources.names["earlier"] if self._sources is not None else ()
        given = [_qualified(name, self.client.user) for name in self._earlier]
        chosen = given or [str(value) for value in self.earlier_input.value]
        self._earlier = []
        self.earlier_input.options = [(name, name) for name in dict.fromkeys([*chosen, *offered])]
        self.earlier_input.value = tuple(chosen)
        has_some = bool(self.earlier_input.options)
        parts.show(self.earlier_input, has_some)
        self._earlier_help.value = _EARLIER_HELP if has_some else _NOTHING_EARLIER

    def _laid_out(self) -> list[Any]:
        return [
            *self._data(),
            *(parts.html(parts.group("Search space")), self.space),
            *(parts.html(parts.group("Objectives")), self.objectives),
            *(parts.html(parts.group("Search")), *(self.search[name] for name in _SEARCH)),
            *(self.earlier_input, self._earlier_help, self._earlier_fault),
            *(parts.html(parts.group("When it ends")), *(self.search[name] for name in _END)),
            *(self.search["early_stop"], self._stopping_box),
            *self._place_to_run(),
            self._sending,
        ]

    def _show_stopping(self) -> None:
        parts.show(self._stopping_box, self._stops_early)

    @property
    def _stops_early(self) -> bool:
        return self.search["early_stop"].value != "none"

    def _is_offered(self, parameter: str) -> bool:
        return parameter not in self.space.rows

    def _algorithm_read(self, algorithm: Algorithm) -> None:
        self.space.set_schema(algorithm.parameters_schema)
        self.objectives.set_metrics(algorithm.spec.get("metrics") or ())

    def _space_changed(self) -> None:
        """What is searched has no fixed value, and has it again when it is searched no more."""
        if set(self._fixed) != {name for name in self.inputs if self._is_offered(name)}:
            self._lay_out_parameters()
        self._changed()

    @property
    def _fixed(self) -> list[str]:
        """The parameters whose fields are laid out."""
        boxes = (self._fields_box, self._more_box)
        return [entry.field.name for box in boxes for entry in box.children if isinstance(entry, Input)]

    def _follow(self) -> None:
        self._show_cost()

    def _show_cost(self) -> None:
        """What its trainings hold, of as many as run at a time."""
        if self._sources is not None and self.tuning is None:
            at_a_time = int(self.search["parallel"].value)
            self._cost.value = self._sources.cost_of(self.client.queue(), self.instance_input.value, at_a_time)

    # sending it

    def _arguments(self) -> dict[str, Any]:
        """The arguments of `client.tune`. Raises: Invalid."""
        named = self._common_arguments()
        first = {name: named.pop(name) for name in ("algorithm", "name", "dataset", "target", "datasets", "parameters")}
        searched: dict[str, Any] = {}
        for name, entry in self.search.items():
            if name in _STOPPING and not self._stops_early:
                continue
            value = entry.value
            searched[name] = None if entry.field.is_default(value) else value
        searched["earlier"] = list(self.earlier_input.value) or None
        return {**first, "space": self.space.value, "objective": self.objectives.value, **searched, **named}

    def _create(self, algorithm: str, tags: Sequence[str], named: Mapping[str, Any]) -> Tuning:
        given: dict[str, Any] = {**named, "earlier": named["earlier"] or ()}
        return self.client.tune(algorithm, tags=tags, **given)

    def _estimate(self, named: Mapping[str, Any]) -> MemoryEstimate:
        asked = ("algorithm", "space", "dataset", "target", "datasets", "parameters", "instance_type", "nodes")
        given: dict[str, Any] = {name: named.get(name) for name in asked}
        return self.client.tunings.estimate(**given)

    def _place_other(self, path: str, message: str) -> bool:
        if path == SPACE.removesuffix("."):
            self.space.set_fault("", message)
        elif path.startswith(SPACE):
            rest = path.removeprefix(SPACE)
            # what follows the name is a field of it, or a dot within it
            name = next((one for one in self.space.names if rest == one or rest.startswith(f"{one}.")), rest)
            self.space.set_fault(name, message)
        elif path.startswith(_OBJECTIVES):
            place = path.removeprefix(f"{_OBJECTIVES}.").partition(".")[0]
            self.objectives.set_fault(int(place) if place.isdecimal() else 0, message)
        else:
            name = path.removeprefix(_SPEC)
            if name.startswith("earlier_"):
                self._earlier_fault.value = parts.field_alert(message)
                return True
            found = next((argument for argument, field in _FIELDS.items() if field == name), None)
            if found is None:
                return False
            self.search[found].set_fault(message)
        return True

    def _clear_other(self) -> None:
        self._earlier_fault.value = ""
        self.space.clear_faults()
        self.objectives.clear_faults()
        for entry in self.search.values():
            entry.set_fault("")

    # what it began

    def _make_view(self, run: Tuning) -> Any:
        self.view = TuningView(run, client=self.client)
        return parts.box([parts.row([parts.button("New tuning", self.new_run)], margin="6px 0"), self.view])

    def _new_run(self) -> None:
        if self.view is not None:
            self.view.close()
        self._offer.clear()
        super()._new_run()
        self.view = None

    def _make_notebook(self) -> tuple[Notebook, str] | None:
        """Raises: Invalid for a field that cannot be read."""
        if self.tuning is None:
            self._arguments()
        name = self.name_input.value.strip() or (self.tuning.name if self.tuning is not None else "")
        shown = "from orrery_widgets import TuningView\n\nTuningView(tuning)"
        return call_notebook(f"Tuning {name}", self.code(), shown), f"tune-{name}"


def _reference(run: str | Training | Tuning) -> str:
    if isinstance(run, str):
        return run
    return f"tuning/{run.qualified_name}" if isinstance(run, Tuning) else run.qualified_name


def _qualified(name: str, user: str) -> str:
    """One's own by its full name; an id and `owner/name` stay."""
    head = "tuning/" if name.startswith("tuning/") else ""
    rest = name.removeprefix(head)
    return f"{head}{user}/{rest}" if "/" not in rest and ID.fullmatch(rest) is None else name
