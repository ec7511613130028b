"""Begin a training from a form that is made from the algorithm's own parameters, and see it to its end.

from orrery_widgets import TrainingForm
TrainingForm("xgboost", dataset="breast", target="diagnosis")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orrery.client import Algorithm, Client, Dataset, DatasetVersion, Experiment, Training
from orrery.client.failures import field_messages
from orrery.errors import Invalid, OrreryError
from orrery_widgets import code, parts
from orrery_widgets.fields import group_fields, read_fields
from orrery_widgets.inputs import Input
from orrery_widgets.notebook_offer import NotebookOffer
from orrery_widgets.notebooks import Notebook, with_parameters
from orrery_widgets.panel import Panel, key_tag
from orrery_widgets.progress import Progress
from orrery_widgets.run_view import RunView
from orrery_widgets.sources import Sources, read_sources, suggest_name

_PREFIX = "spec.parameters."
_NO_DATASET = "There is no published dataset yet. Publish one, then run this cell again:" + parts.code_block(
    code.program(code.call("client.datasets.create", "breast", files=["breast.csv"], publish=True))
)


class TrainingForm(Panel):
    """A form; once it is sent, the run below it in the place of the buttons.

    What is given opens the form with it. `id` shows that training instead of a form. With a `key` the run that the
    form begins is tagged, and the panel made again with the same key shows that run.
    """

    def __init__(
        self,
        algorithm: str | Algorithm | None = None,
        dataset: str | Dataset | DatasetVersion | None = None,
        target: str | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        experiment: str | Experiment | None = None,
        instance_type: str | None = None,
        name: str = "",
        id: str | None = None,
        key: str | None = None,
        client: Client | None = None,
    ) -> None:
        super().__init__("Train a model", client=client)
        self._wanted: dict[str, Any] = {"algorithm": algorithm, "dataset": dataset, "experiment": experiment}
        self._wanted["instance_type"] = instance_type
        self._values: dict[str, Any] = {**(parameters or {}), **({"target": target} if target else {})}
        self._key = key
        self._sources: Sources | None = None
        self._algorithm: Algorithm | None = None
        self.training: Training | None = None
        #: the run, below the form that began it
        self.view: RunView | None = None
        self.inputs: dict[str, Input] = {}

        self.name_input: Any = parts.text("Name", name)
        self.algorithm_input: Any = parts.dropdown("Algorithm")
        self.dataset_input: Any = parts.dropdown("Dataset")
        self.other_datasets: dict[str, Any] = {}
        self.experiment_input: Any = parts.dropdown("Experiment", [("(none)", "")])
        self.instance_input: Any = parts.dropdown("Instance type")
        self._faults: dict[str, Any] = {
            path: parts.html() for path in ("name", "spec.algorithm", "spec.datasets", "spec.experiment", "spec.run")
        }
        self._cost = parts.html()
        self._fields_box = parts.box()
        self._more_box = parts.box()
        parts.show(self._more_box, False)
        self._more_toggle = parts.toggle("More parameters", lambda value: parts.show(self._more_box, value))
        self._others_box = parts.box()
        self.submit_button: Any = parts.button("Start training", self.submit, style="primary")
        tooltip = "Write the notebook that will run, with these values"
        self._offer = NotebookOffer("Open as notebook", self._make_notebook, tooltip=tooltip, run=self.run)
        self._buttons = parts.row([self.submit_button, self._offer.button], margin="8px 0 0 0")
        self._form = parts.box(self._laid_out())
        self._form.add_class("orrw-form")
        self._run_box = parts.box()
        self._is_observed = self._is_listening = False
        self.run(lambda: self._begin(id))

    @property
    def cost(self) -> str:
        """What the chosen size holds and what is free, as HTML."""
        return str(self._cost.value)

    def fault_of(self, place: str) -> str:
        """What is wrong with the name, `spec.datasets`, `spec.experiment` or `spec.run`, as HTML."""
        return str(self._faults[place].value)

    # what a person does

    def submit(self) -> None:
        """Begin the training with the form's values."""
        self.submit_button.disabled = True
        self._clear_faults()
        self.run(self._submit)

    def write_notebook(self) -> None:
        """Write the notebook that will run beside the current one, and link it."""
        self._offer.write()

    def new_run(self) -> None:
        """Back to the form, with the values that it had and the next free name."""
        self.run(self._new_run)

    @property
    def progress(self) -> Progress | None:
        """The run's progress; None before there is a run."""
        return self.view.progress if self.view is not None else None

    def code(self) -> str:
        if self.training is not None:
            lines = [code.call("client.trainings.get", self.training.id, result="training"), "training.wait()"]
            return code.program(*lines)
        try:
            named = self._call()
        except OrreryError as error:
            return f"# {error.message}"
        return code.program(code.call("client.train", named.pop("algorithm"), result="training", **named))

    # making it

    def _laid_out(self) -> list[Any]:
        faults = self._faults
        return [
            *(self.name_input, faults["name"], self.algorithm_input, faults["spec.algorithm"]),
            *(self.dataset_input, faults["spec.datasets"], self._others_box, self._fields_box, self._more_box),
            *(parts.html(parts.group("Run")), self.experiment_input, faults["spec.experiment"]),
            *(self.instance_input, faults["spec.run"], self._cost),
            self._buttons,
            self._offer.said,
        ]

    def _begin(self, id: str | None) -> None:
        if id is not None:
            self._show_run(self.client.trainings.get(id))
            return
        if self._key:
            earlier = next(iter(self.client.trainings.list(tag=key_tag(self._key)[0], limit=1)), None)
            if earlier is not None:
                self._show_run(earlier)
                return
        self._show_form()

    def _show_form(self) -> None:
        self._sources = sources = read_sources(self.client)
        if not sources.datasets:
            self.set_body([parts.html(_NO_DATASET)])
            return
        algorithm, dataset, experiment, size = self._chosen()
        parts.set_choices(self.algorithm_input, sources.algorithms, sources.find_algorithm(algorithm))
        found = sources.find_dataset(dataset)
        parts.set_choices(self.dataset_input, sources.datasets, found)
        parts.set_choices(self.experiment_input, sources.experiments, sources.find_experiment(experiment))
        parts.set_choices(self.instance_input, sources.instance_types, size)
        self._read_algorithm()
        self._read_columns()
        if not self.name_input.value:
            self.name_input.value = suggest_name(self.client, self.dataset_input.value)
        self._show_cost()
        self.set_body([self._form, self._run_box])
        if not self._is_observed:
            self._is_observed = True
            self._observe()
        self._begin_listening()
        self.refresh_code()

    def _chosen(self) -> tuple[Any, Any, Any, Any]:
        """What was given in code, and afterwards what was chosen, which a new run begins with."""
        given, self._wanted = self._wanted, dict.fromkeys(self._wanted)
        return (
            given["algorithm"] or self.algorithm_input.value,
            given["dataset"] or self.dataset_input.value,
            given["experiment"] or self.experiment_input.value,
            given["instance_type"] or self.instance_input.value or "cpu-small",
        )

    def _begin_listening(self) -> None:
        if not self._is_listening:
            self._is_listening = True
            self.listen(["training", "endpoint"], self._follow)

    def _follow(self) -> None:
        if self.view is None:
            self._show_cost()
        else:
            self.view.follow()

    def _observe(self) -> None:
        watched: tuple[tuple[Any, Callable[[], None]], ...] = (
            (self.algorithm_input, self._read_algorithm),
            (self.dataset_input, self._read_columns),
            (self.instance_input, self._show_cost),
        )
        for control, read in watched:
            parts.observe(control, lambda read=read: self.run(read))
        for control in (self.name_input, self.algorithm_input, self.dataset_input, self.experiment_input):
            parts.observe(control, self.refresh_code)
        parts.observe(self.instance_input, self.refresh_code)

    def _read_algorithm(self) -> None:
        """Make the fields of the chosen algorithm; values that it also knows stay."""
        self._keep_values()
        self._algorithm = algorithm = self.client.algorithms.get(self.algorithm_input.value)
        fields = read_fields(algorithm.parameters_schema)
        self.inputs = {
            field.name: Input(field, self._values.get(field.name), changed=self.refresh_code) for field in fields
        }
        sections = [
            [parts.html(parts.group(group)), *(self.inputs[field.name] for field in members)]
            for group, members in group_fields(fields).items()
        ]
        first, rest = sections[:1], sections[1:]
        self._more_box.children = [control for section in rest for control in section]
        self._more_toggle.description = f"More parameters ({sum(len(section) - 1 for section in rest)})"
        self._more_toggle.value = any(
            name in self._values and not entry.field.is_default(self._values[name])
            for name, entry in self.inputs.items()
            if entry in self._more_box.children
        )
        parts.show(self._more_toggle, bool(rest))
        self._fields_box.children = [*(control for section in first for control in section), self._more_toggle]
        self._make_other_datasets(algorithm)
        self._show_columns()
        self.refresh_code()

    def _make_other_datasets(self, algorithm: Algorithm) -> None:
        sources = self._sources
        if sources is None:
            return
        none: list[parts.Choice] = [("(none)", "")]
        declarations: Sequence[Mapping[str, Any]] = algorithm.spec.get("datasets") or ()
        self.other_datasets = {
            declared["name"]: parts.dropdown(declared.get("title") or declared["name"], [*none, *sources.datasets], "")
            for declared in declarations
            if declared["name"] != "train"
        }
        for control in self.other_datasets.values():
            parts.observe(control, self.refresh_code)
        self._others_box.children = list(self.other_datasets.values())

    def _read_columns(self) -> None:
        if self._sources is not None:
            self._sources.read_columns(self.client, self.dataset_input.value)
            self._show_columns()

    def _show_columns(self) -> None:
        columns = self._sources.columns_of(self.dataset_input.value) if self._sources else ()
        for entry in self.inputs.values():
            entry.set_columns(columns)

    def _show_cost(self) -> None:
        """What the chosen size holds, what is free and how many wait, as it is now."""
        if self._sources is not None and self.training is None:
            self._cost.value = self._sources.cost_of(self.client.queue(), self.instance_input.value)

    # its values

    def _keep_values(self) -> None:
        for name, entry in self.inputs.items():
            try:
                self._values[name] = entry.value
            except Invalid:
                continue  # half-written: the next algorithm begins with its own default

    def _parameters(self) -> dict[str, Any]:
        """What differs from the defaults. Raises: Invalid."""
        values = {name: entry.value for name, entry in self.inputs.items()}
        return {name: value for name, value in values.items() if not self.inputs[name].field.is_default(value)}

    def _call(self) -> dict[str, Any]:
        """The arguments of `client.train`. Raises: Invalid."""
        parameters = self._parameters()
        target = parameters.pop("target", None)
        others = {name: control.value for name, control in self.other_datasets.items() if control.value}
        known = {name: others.pop(name) for name in ("validation", "test") if name in others}
        instance_type = self.instance_input.value
        return {
            "algorithm": self.algorithm_input.value,
            "name": self.name_input.value.strip(),
            "dataset": self.dataset_input.value,
            "target": target,
            **known,
            "datasets": others or None,
            "parameters": parameters or None,
            "experiment": self.experiment_input.value or None,
            "instance_type": instance_type if instance_type != "cpu-small" else None,
            "tags": list(key_tag(self._key)) or None,
        }

    # sending it

    def _submit(self) -> None:
        try:
            named = self._call()
            tags: Sequence[str] = named.pop("tags") or ()
            training = self.client.train(named.pop("algorithm"), tags=tags, **named)
        except Invalid as error:
            if not self._place(error):
                raise
            return
        finally:
            self.submit_button.disabled = False
        self._show_run(training)

    def _place(self, error: Invalid) -> bool:
        """Each fault at its field, in the platform's words; whether all of them have one."""
        placed = True
        for path, message in field_messages(error):
            name = path.removeprefix(_PREFIX)
            if path.startswith(_PREFIX) and name in self.inputs:
                self.inputs[name].set_fault(message)
                self._more_toggle.value = self._more_toggle.value or self.inputs[name] in self._more_box.children
            elif (known := _fault_of(path)) in self._faults:
                self._faults[known].value = f"<div class='orrw-field'>{parts.alert(message)}</div>"
            else:
                placed = False
        return placed and bool(field_messages(error))

    def _clear_faults(self) -> None:
        self.clear_error()
        for fault in self._faults.values():
            fault.value = ""
        for entry in self.inputs.values():
            entry.set_fault("")

    # the run

    def _show_run(self, training: Training) -> None:
        """In the place of the buttons, so that whoever pressed one sees it; the form keeps its values above."""
        self.training = training
        self.view = RunView(self, training, self.new_run)
        self._run_box.children = [self.view]
        parts.show(self._buttons, False)
        if not self.body.children:
            self.set_body([self._run_box])
        self._begin_listening()
        self.refresh_code()

    def _new_run(self) -> None:
        if self.view is not None:
            self.view.close()
        self.training = self.view = None
        self._run_box.children = []
        parts.show(self._buttons, True)
        self.name_input.value = ""
        self._offer.clear()
        self._show_form()

    def _make_notebook(self) -> tuple[Notebook, str] | None:
        if self._algorithm is None:
            return None
        notebook = with_parameters(self._algorithm.notebook(), self._parameters())
        return notebook, self.name_input.value or self._algorithm.name


def _fault_of(path: str) -> str:
    """Which place of the form a field of the API is shown at."""
    for prefix in ("spec.datasets", "spec.experiment", "spec.algorithm"):
        if path.startswith(prefix):
            return prefix
    return path if path == "name" else "spec.run"
