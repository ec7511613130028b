"""What the forms of trainings and of tunings share: what is run, on what, where, whether it fits, faults at fields."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from orrery.client import Algorithm, Client, Dataset, DatasetVersion, Experiment, Resource, Template
from orrery.client.collection import Collection
from orrery.client.failures import field_messages
from orrery.client.memory_fit import MemoryEstimate
from orrery.errors import Invalid, NotFound, OrreryError
from orrery_widgets import code, parts
from orrery_widgets.fields import group_fields, read_fields
from orrery_widgets.inputs import PARAMETERS, Input
from orrery_widgets.memory_note import MemoryNote
from orrery_widgets.other_datasets import OtherDatasets
from orrery_widgets.panel import Panel, key_tag
from orrery_widgets.run_settings import RunSettings
from orrery_widgets.sources import Sources, read_sources, suggest_name
from orrery_widgets.template_values import read_values

_NO_DATASET = "There is no published dataset yet. Publish one, then run this cell again:" + parts.code_block(
    code.program(code.call("client.datasets.create", "breast", files=["breast.csv"], publish=True))
)
#: what a run gets that is asked for no other size
_DEFAULT_SIZE = "cpu-small"

Run = TypeVar("Run", bound=Resource)


class RunForm(Panel, Generic[Run]):
    """A form; once it is sent, what it began stands below it in the place of the buttons.

    Subclasses say what is begun: `_collection`, `_laid_out`, `_arguments`, `_create` and `_make_view`.
    """

    def __init__(
        self,
        title: str,
        submit_label: str,
        *,
        algorithm: str | Algorithm | None,
        dataset: str | Dataset | DatasetVersion | None,
        target: str | None,
        parameters: Mapping[str, Any] | None,
        experiment: str | Experiment | None,
        instance_type: str | None,
        name: str,
        datasets: Mapping[str, str | Dataset | DatasetVersion] | None,
        template: str | Template | None,
        settings: Mapping[str, Any],
        key: str | None,
        client: Client | None,
    ) -> None:
        super().__init__(title, client=client)
        self._wanted: dict[str, Any] = {"algorithm": algorithm, "dataset": dataset, "experiment": experiment}
        self._wanted |= {"instance_type": instance_type, "datasets": dict(datasets or {})}
        self._template = template
        self._values: dict[str, Any] = {**(parameters or {}), **({"target": target} if target else {})}
        self._key = key
        self._sources: Sources | None = None
        self._algorithm: Algorithm | None = None
        self._begun: Run | None = None
        self.inputs: dict[str, Input] = {}

        self.name_input: Any = parts.text("Name", name)
        self.template_input: Any = parts.dropdown("Template", [("(none)", "")], "")
        self.algorithm_input: Any = parts.dropdown("Algorithm")
        self.dataset_input: Any = parts.dropdown("Dataset")
        self._others = OtherDatasets(self._changed)
        self.experiment_input: Any = parts.dropdown("Experiment", [("(none)", "")])
        self.instance_input: Any = parts.dropdown("Instance type")
        self._faults: dict[str, Any] = {
            path: parts.html() for path in ("name", "spec.algorithm", "spec.datasets", "spec.experiment", "spec.run")
        }
        self._cost = parts.html()
        #: where, when and with what it runs, by the arguments' names: `settings.inputs["priority"]`
        self.settings = RunSettings(settings, changed=self._changed)
        #: whether it fits into memory
        self.memory = MemoryNote(self._take_remedy)
        self._is_asking = False
        self._fields_box = parts.box()
        self._more_box = parts.box()
        parts.show(self._more_box, False)
        self._more_toggle = parts.toggle("More parameters", lambda value: parts.show(self._more_box, value))
        self.submit_button: Any = parts.button(submit_label, self.submit, style="primary")
        self._buttons = parts.row([self.submit_button], margin="8px 0 0 0")
        self._sending = parts.box([self._buttons, self.memory])
        self._form = parts.box()
        self._form.add_class("orrw-form")
        self._run_box = parts.box()
        self._is_observed = self._is_listening = False

    # for subclasses

    @property
    @abstractmethod
    def _collection(self) -> Collection[Run]:
        """Where what it begins is found again."""

    @abstractmethod
    def _laid_out(self) -> list[Any]:
        """The form from top to bottom."""

    @abstractmethod
    def _arguments(self) -> dict[str, Any]:
        """The arguments of the call that begins it. Raises: Invalid."""

    @abstractmethod
    def _create(self, algorithm: str, tags: Sequence[str], named: Mapping[str, Any]) -> Run:
        """Begin it. Raises: Invalid naming the fields."""

    @abstractmethod
    def _estimate(self, named: Mapping[str, Any]) -> MemoryEstimate:
        """Whether it would fit into memory; `named`: what `_arguments` answers. Raises: OrreryError."""

    @abstractmethod
    def _make_view(self, run: Run) -> Any:
        """What stands below the form once it is sent."""

    @abstractmethod
    def _follow(self) -> None:
        """Something has happened to what it listens to."""

    #: the kinds that it listens to
    _kinds: Sequence[str] = ()
    #: the kind that it begins
    _kind = ""
    #: what a name that is suggested has after the dataset's
    _suffix = ""

    def _is_offered(self, parameter: str) -> bool:
        """Whether a parameter has one value, which the form asks for."""
        return True

    def _algorithm_read(self, algorithm: Algorithm) -> None:
        """Another algorithm has been chosen."""

    def _place_other(self, path: str, message: str) -> bool:
        """Show a fault of a field that only this form has; whether it has it."""
        return False

    def _clear_other(self) -> None:
        """Take away the faults of the fields that only this form has."""

    # what a person does

    @property
    def other_datasets(self) -> Mapping[str, Any]:
        """The choices of data besides that it trains on, by the names that the algorithm knows it by."""
        return self._others.inputs

    @property
    def cost(self) -> str:
        """What the chosen size holds and what is free, as HTML."""
        return str(self._cost.value)

    def fault_of(self, place: str) -> str:
        """What is wrong with the name, `spec.datasets`, `spec.experiment` or `spec.run`, as HTML."""
        return str(self._faults[place].value)

    def submit(self) -> None:
        """Begin it with the form's values."""
        self.submit_button.disabled = True
        self._clear_faults()
        self.run(self._submit)

    def new_run(self) -> None:
        """Back to the form, with the values that it had and the next free name."""
        self.run(self._new_run)

    # making it

    @property
    def _declaration(self) -> Mapping[str, Any]:
        """The schema of what it begins. Raises: NotFound where the platform has none of them."""
        schema = next((kind.spec_schema for kind in self.client.kinds if kind.name == self._kind), None)
        if schema is None:
            raise NotFound(f"this platform has no {self._kind}s; update it")
        return schema

    def _data(self) -> list[Any]:
        """Name, algorithm, data and the parameters' fields."""
        faults = self._faults
        return [
            self.template_input,
            *(self.name_input, faults["name"], self.algorithm_input, faults["spec.algorithm"]),
            *(self.dataset_input, faults["spec.datasets"], self._others.box, self._fields_box, self._more_box),
        ]

    def _place_to_run(self) -> list[Any]:
        """Experiment, instance type and what is folded away."""
        faults = self._faults
        return [
            *(parts.html(parts.group("Run")), self.experiment_input, faults["spec.experiment"]),
            *(self.instance_input, faults["spec.run"], self._cost, self.settings),
        ]

    def _begin(self, id: str | None) -> None:
        if id is not None:
            self._show_run(self._collection.get(id))
            return
        if self._key:
            earlier = next(iter(self._collection.list(tag=key_tag(self._key)[0], limit=1)), None)
            if earlier is not None:
                self._show_run(earlier)
                return
        self._show_form()

    def _show_form(self) -> None:
        self._sources = sources = read_sources(self.client)
        if not sources.datasets:
            self.set_body([parts.html(_NO_DATASET)])
            return
        if not self.settings.is_made:
            self.settings.make(self._declaration, sources.names)
        else:
            self.settings.offer(sources.names)
        given, self._template = _named(self._template), None
        parts.set_choices(self.template_input, sources.templates, sources.find_template(given))
        parts.show(self.template_input, len(sources.templates) > 1)
        if given:
            self._read_template(given)
        self._choose()
        if not self.name_input.value:
            owner = self.client.whoami()["name"]
            self.name_input.value = suggest_name(self._collection, owner, self.dataset_input.value, self._suffix)
        self._show_cost()
        if not self._form.children:
            self._form.children = self._laid_out()
        self.set_body([self._form, self._run_box])
        if not self._is_observed:
            self._is_observed = True
            self._observe()
        self._begin_listening()
        self.refresh_code()

    def _choose(self) -> None:
        """What was given in code or by a template, and afterwards what was chosen, which a new run begins with."""
        sources = self._sources
        assert sources is not None
        given, self._wanted = self._wanted, {**dict.fromkeys(self._wanted), "datasets": self._wanted["datasets"]}
        algorithm = given["algorithm"] or self.algorithm_input.value
        parts.set_choices(self.algorithm_input, sources.algorithms, sources.find_algorithm(algorithm))
        found = sources.find_dataset(given["dataset"] or self.dataset_input.value)
        parts.set_choices(self.dataset_input, sources.datasets, found)
        experiment = given["experiment"] or self.experiment_input.value
        parts.set_choices(self.experiment_input, sources.experiments, sources.find_experiment(experiment))
        size = given["instance_type"] or self.instance_input.value or _DEFAULT_SIZE
        parts.set_choices(self.instance_input, sources.instance_types, size)
        self._read_algorithm()
        self._read_columns()

    def _take_template(self) -> None:
        """The chosen template's values in the place of the form's."""
        if self.template_input.value and self._sources is not None:
            self.inputs, self._values = {}, {}
            self._wanted = dict.fromkeys(self._wanted)
            self.settings.set_values({})
            self._read_template(self.template_input.value)
            self._choose()
            self._show_cost()

    def _read_template(self, name: str) -> None:
        """What it says, below what was given in code."""
        said = read_values(self.client.templates.get(name).document)
        given: Mapping[str, Any] = self._wanted["datasets"] or {}
        self._wanted = {key: self._wanted[key] or value for key, value in said.chosen.items()}
        self._wanted["datasets"] = {**said.datasets, **given}
        self._values = {**said.parameters, **self._values}
        self.settings.set_values({**said.settings, **self.settings.value})

    def _begin_listening(self) -> None:
        if not self._is_listening:
            self._is_listening = True
            self.listen(self._kinds, self._follow)

    def _observe(self) -> None:
        watched: tuple[tuple[Any, Callable[[], None]], ...] = (
            (self.template_input, self._take_template),
            (self.algorithm_input, self._read_algorithm),
            (self.dataset_input, self._read_columns),
            (self.instance_input, self._show_cost),
        )
        for control, read in watched:
            parts.observe(control, lambda read=read: self.run(read))
        for control in (self.name_input, self.algorithm_input, self.dataset_input, self.experiment_input):
            parts.observe(control, self._changed)
        parts.observe(self.instance_input, self._changed)

    def _read_algorithm(self) -> None:
        """Make the fields of the chosen algorithm; values that it also knows stay."""
        self._keep_values()
        self._algorithm = algorithm = self.client.algorithms.get(self.algorithm_input.value)
        fields = read_fields(algorithm.parameters_schema)
        self.inputs = {
            field.name: Input(field, self._values.get(field.name), changed=self._changed) for field in fields
        }
        self._algorithm_read(algorithm)
        self.settings.fit(is_notebook=str(algorithm.spec["entry_point"]).endswith(".ipynb"))
        self._lay_out_parameters()
        self._more_toggle.value = any(
            name in self._values and not entry.field.is_default(self._values[name])
            for name, entry in self.inputs.items()
            if entry in self._more_box.children
        )
        self._offer_other_datasets(algorithm)
        self._show_columns()
        self._changed()

    def _lay_out_parameters(self) -> None:
        """Those that are offered, under their headings: the first group, and the others behind a toggle."""
        offered = tuple(entry.field for name, entry in self.inputs.items() if self._is_offered(name))
        sections = [
            [parts.html(parts.group(group)), *(self.inputs[field.name] for field in members)]
            for group, members in group_fields(offered).items()
        ]
        first, rest = sections[:1], sections[1:]
        self._more_box.children = [control for section in rest for control in section]
        self._more_toggle.description = f"More parameters ({sum(len(section) - 1 for section in rest)})"
        parts.show(self._more_toggle, bool(rest))
        self._fields_box.children = [*(control for section in first for control in section), self._more_toggle]

    def _offer_other_datasets(self, algorithm: Algorithm) -> None:
        if self._sources is not None:
            given: Mapping[str, Any] = self._wanted["datasets"] or {}
            self._wanted["datasets"] = {}
            self._others.offer(algorithm, self._sources, given)

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
        if self._sources is not None and self._begun is None:
            self._cost.value = self._sources.cost_of(self.client.queue(), self.instance_input.value)

    # whether it fits

    def _changed(self) -> None:
        """The form holds something else: another call, and perhaps another verdict."""
        self.refresh_code()
        if self._sources is None or self._begun is not None or self._is_asking:
            return
        self._is_asking = True
        self.run(self._ask_memory, is_quiet=True)

    def _ask_memory(self) -> None:
        """Ask what the form takes of memory, where that may have changed; what it is not filled in for is not asked."""
        self._is_asking = False
        try:
            named = self._arguments()
        except OrreryError:
            self.memory.clear()
        else:
            self.memory.ask(named, self._estimate)

    def _take_remedy(self, change: Mapping[str, Any]) -> None:
        """Change the form so that it fits."""
        if "instance_type" in change:
            self.instance_input.value = change["instance_type"]
        parameters: Mapping[str, Any] = change.get("parameters") or {}
        for name, value in parameters.items():
            self.inputs[name].value = value
            self._more_toggle.value = self._more_toggle.value or self.inputs[name] in self._more_box.children

    # its values

    def _keep_values(self) -> None:
        for name, entry in self.inputs.items():
            try:
                self._values[name] = entry.value
            except Invalid:
                continue  # half-written: the next algorithm begins with its own default

    def _parameters(self) -> dict[str, Any]:
        """What differs from the defaults. Raises: Invalid."""
        values = {name: entry.value for name, entry in self.inputs.items() if self._is_offered(name)}
        return {name: value for name, value in values.items() if not self.inputs[name].field.is_default(value)}

    def _common_arguments(self) -> dict[str, Any]:
        """The arguments that begin a training and a tuning alike. Raises: Invalid."""
        parameters = self._parameters()
        target = parameters.pop("target", None)
        instance_type = self.instance_input.value
        return {
            "algorithm": self.algorithm_input.value,
            "name": self.name_input.value.strip(),
            "dataset": self.dataset_input.value,
            "target": target,
            "datasets": self._others.value or None,
            "parameters": parameters or None,
            "experiment": self.experiment_input.value or None,
            "instance_type": instance_type if instance_type != _DEFAULT_SIZE else None,
            **self.settings.value,
            "tags": list(key_tag(self._key)) or None,
        }

    def _call_code(self, function: str, result: str) -> str:
        """The call that does the same; why there is none while a field cannot be read."""
        try:
            named = self._arguments()
        except OrreryError as error:
            return f"# {error.message}"
        return code.program(code.call(function, named.pop("algorithm"), result=result, **named))

    # sending it

    def _submit(self) -> None:
        try:
            named = self._arguments()
            tags: Sequence[str] = named.pop("tags") or ()
            run = self._create(named.pop("algorithm"), tags, named)
        except Invalid as error:
            if not self._place(error):
                raise
            return
        finally:
            self.submit_button.disabled = False
        self._show_run(run)

    def _place(self, error: Invalid) -> bool:
        """Each fault at its field, in the platform's words; whether all of them have one."""
        placed = True
        for path, message in field_messages(error):
            name = path.removeprefix(PARAMETERS)
            if path.startswith(PARAMETERS) and name in self.inputs:
                self.inputs[name].set_fault(message)
                self._more_toggle.value = self._more_toggle.value or self.inputs[name] in self._more_box.children
            elif self.settings.set_fault(path, message) or self._place_other(path, message):
                continue
            elif (known := _fault_of(path)) in self._faults:
                self._faults[known].value = parts.field_alert(message)
            else:
                placed = False
        return placed and bool(field_messages(error))

    def _clear_faults(self) -> None:
        self.clear_error()
        self._clear_other()
        self.settings.clear_faults()
        for fault in self._faults.values():
            fault.value = ""
        for entry in self.inputs.values():
            entry.set_fault("")

    # what it began

    def _show_run(self, run: Run) -> None:
        """In the place of the buttons, so that whoever pressed one sees it; the form keeps its values above."""
        self._begun = run
        self._run_box.children = [self._make_view(run)]
        parts.show(self._sending, False)
        if not self.body.children:
            self.set_body([self._run_box])
        self._begin_listening()
        self.refresh_code()

    def _new_run(self) -> None:
        for view in self._run_box.children:
            view.close()
        self._begun = None
        self._run_box.children = []
        parts.show(self._sending, True)
        self.name_input.value = ""
        self._show_form()


def _named(given: str | Resource | None) -> str | None:
    return given.qualified_name if isinstance(given, Resource) else given


def _fault_of(path: str) -> str:
    """Which place of the form a field of the API is shown at."""
    for prefix in ("spec.datasets", "spec.experiment", "spec.algorithm"):
        if path.startswith(prefix):
            return prefix
    return path if path == "name" else "spec.run"
