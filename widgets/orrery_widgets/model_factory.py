"""Model versions: what each is, how good, where it came from, what uses it; register one, deploy one.

from orrery_widgets import ModelFactory
ModelFactory()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from orrery.client import Client, Model, Training
from orrery.client.failures import field_messages
from orrery.errors import Invalid
from orrery_widgets import code, parts
from orrery_widgets.deploy import Deploy
from orrery_widgets.notebooks import Notebook, call_notebook
from orrery_widgets.panel import Panel
from orrery_widgets.sources import find_model

MOST = 300
_MOST_INPUTS = 40


class ModelFactory(Panel):
    """All models that the caller may see, with one of them as a card; `id` (or `model`) opens that one."""

    def __init__(
        self,
        model: str | Model | Training | None = None,
        *,
        id: str | None = None,
        client: Client | None = None,
    ) -> None:
        super().__init__("Models", client=client)
        self._wanted = model if model is not None else id
        self.model: Model | None = None
        self.deployment: Deploy | None = None
        self.model_input: Any = parts.dropdown("Model")
        parts.observe(self.model_input, lambda: self.run(self._show_chosen))
        self.training_input: Any = parts.dropdown("Training")
        self.name_input: Any = parts.text("Model's name", placeholder="the training's name")
        self._name_fault = parts.html()
        self.register_button: Any = parts.button("Register a model", self.register)
        self._card = parts.html()
        self.deploy_button: Any = parts.button("Deploy", self.deploy, style="primary")
        self._deploy_box = parts.box()
        self._empty = parts.html("There is no model yet. A training registers one when it ends: TrainingForm().")
        self._register = parts.box(
            [
                parts.html(parts.group("Register a model from a training")),
                *(self.training_input, self.name_input, self._name_fault),
                parts.row([self.register_button]),
            ]
        )
        self._offer = self.offer_notebook(self._make_notebook)
        self.run(self._begin)

    # what a person does

    def register(self) -> None:
        """Make a model of the chosen training's files: a new one, or the next version of that name."""
        self.clear_error()
        self._name_fault.value = ""
        self.run(self._register_model)

    def deploy(self) -> None:
        """The form that puts the shown model behind an endpoint."""
        if self.model is not None:
            self._end_deployment()
            self.deployment = Deploy(self.model, client=self.client)
            self._deploy_box.children = [self.deployment]

    def write_notebook(self) -> None:
        """Write what the panel shows as a notebook beside the current one, and link it."""
        self._offer.write()

    @property
    def card(self) -> str:
        """The shown model, as HTML."""
        return str(self._card.value)

    @property
    def name_fault(self) -> str:
        """What is wrong with the new model's name, as HTML."""
        return str(self._name_fault.value)

    def code(self) -> str:
        if self.model is None:
            return code.program("for model in client.models.list(limit=20):\n    print(model, model.metrics)")
        return code.program(
            code.call("client.models.get", self.model.qualified_name, result="model"),
            "print(model.metrics, model.references(), model.dependents())",
        )

    def _make_notebook(self) -> tuple[Notebook, str]:
        if self.model is None:
            return call_notebook(
                "Models", self.code(), "from orrery_widgets import ModelFactory\n\nModelFactory()"
            ), "models"
        name = self.model.qualified_name
        panel = code.call("ModelFactory", name)
        notebook = call_notebook(f"Model {name}", self.code(), f"from orrery_widgets import ModelFactory\n\n{panel}")
        return notebook, f"model-{self.model.name}"

    # reading

    def _begin(self) -> None:
        wanted = self._wanted
        self.model = find_model(self.client, wanted) if wanted is not None else None
        self._read()
        self.listen(["model", "training", "endpoint"], self._read, every_seconds=2.0)

    def _read(self) -> None:
        models = list(self.client.models.list(limit=MOST))
        if self.model is not None and all(model.id != self.model.id for model in models):
            models.insert(0, self.model)
        choices = [(_label(model), model.id) for model in models]
        if list(self.model_input.options) != choices:
            parts.set_choices(self.model_input, choices, self.model.id if self.model is not None else None)
        done = [
            (f"{training.qualified_name}{_metrics_text(training.metrics)}", training.id)
            for training in self.client.trainings.list(phase="COMPLETE", limit=MOST)
        ]
        if list(self.training_input.options) != done:
            parts.set_choices(self.training_input, done)
        shown = [self.model_input, self._card, parts.row([self.deploy_button]), self._deploy_box]
        if not self.body.children or bool(models) != (self.model_input in self.body.children):
            self.set_body([*(shown if models else [self._empty]), self._register])
        parts.show(self._register, bool(done))
        self._show_chosen()

    def _show_chosen(self) -> None:
        if not self.model_input.value:
            return
        if self.model is not None and self.model.id != self.model_input.value:
            self._end_deployment()
        self.model = model = self.client.models.get(self.model_input.value)
        training = model.spec.get("training")
        origin = self.client.trainings.get(training) if training else None
        self._card.value = show_card(model, origin, model.dependents())
        self.deploy_button.disabled = model.status.state != "Active"
        self.refresh_code()

    def _register_model(self) -> None:
        training = self.client.trainings.get(self.training_input.value)
        name = self.name_input.value.strip()
        try:
            made = training.act("register-model", **({"name": name} if name else {}))
        except Invalid as error:
            if not field_messages(error):
                raise
            self._name_fault.value = parts.field_alert(field_messages(error)[0][1])
            return
        if isinstance(made, Model):
            self.model = made
        self.name_input.value = ""
        self._read()
        self.model_input.value = made.id
        self.say(f"{made.qualified_name} is registered.")

    def _end_deployment(self) -> None:
        if self.deployment is not None:
            self.deployment.close()
        self.deployment = None
        self._deploy_box.children = []


def _label(model: Model) -> str:
    return f"{model.qualified_name}{_metrics_text(model.metrics)}"


def _metrics_text(metrics: Mapping[str, float]) -> str:
    first = [f"{name} {value:.4g}" for name, value in list(metrics.items())[:2]]
    return f" ({', '.join(first)})" if first else ""


def show_card(model: Model, training: Training | None, dependents: Sequence[Mapping[str, Any]]) -> str:
    """What the model is, how good, where it came from and what uses it, as HTML."""
    outputs = model.status.outputs
    facts: list[tuple[str, Any]] = [
        ("State", model.status.phase + (f": {model.status.message}" if model.status.message else "")),
        ("Task", outputs.get("task")),
        ("Framework", " ".join(filter(None, [outputs.get("framework"), outputs.get("framework_version")]))),
        ("Predicts", outputs.get("target")),
        ("Classes", ", ".join(str(one) for one in (outputs.get("classes") or ())[:20])),
        ("Size", parts.size_text(outputs["bytes"]) if outputs.get("bytes") else None),
    ]
    lineage: list[tuple[str, Any]] = []
    if training is not None:
        named = {entry["path"]: entry for entry in training.document.get("references") or ()}
        lineage.append(("Training", training.qualified_name))
        lineage += [
            (f"Dataset ({path.partition('.')[2]})", _reference(entry))
            for path, entry in named.items()
            if path.startswith("datasets.")
        ]
        lineage.append(("Algorithm", _reference(named.get("algorithm", {}))))
        parameters: Mapping[str, Any] = training.spec.get("parameters") or {}
        lineage += [(f"Parameter {name}", value) for name, value in parameters.items()]
    else:
        lineage.append(("Source", "imported"))
    lineage += [(f"Used by {entry['kind']}", f"{entry['owner']}/{entry['name']}") for entry in dependents]
    metrics = [(name, value) for name, value in model.metrics.items()]
    inputs: Sequence[Mapping[str, Any]] = outputs.get("inputs") or ()
    sections = [
        f"<p>{escape(model.description)}</p>" if model.description else "",
        _section("About", [fact for fact in facts if fact[1]]),
        _section("Held-out metrics", metrics),
        _section("Where it came from, and what uses it", lineage),
    ]
    return "".join(sections) + _inputs(inputs)


def _section(words: str, rows: Sequence[tuple[str, Any]]) -> str:
    return parts.group(words) + parts.facts(rows, words) if rows else ""


def _inputs(inputs: Sequence[Mapping[str, Any]]) -> str:
    if not inputs:
        return ""
    rows = [
        (
            entry.get("name"),
            entry.get("kind"),
            ", ".join(str(one) for one in (entry.get("categories") or ())[:12]) or _range(entry),
            "may be missing" if entry.get("nullable") else "is needed",
        )
        for entry in inputs[:_MOST_INPUTS]
    ]
    more = parts.soft(f"and {len(inputs) - _MOST_INPUTS} more") if len(inputs) > _MOST_INPUTS else ""
    return (
        parts.group("Inputs")
        + parts.table(["Column", "Kind", "Seen in training", "Value"], rows, caption="Inputs")
        + more
    )


def _range(entry: Mapping[str, Any]) -> str:
    low, high = entry.get("minimum"), entry.get("maximum")
    return f"{low:g} to {high:g}" if isinstance(low, int | float) and isinstance(high, int | float) else ""


def _reference(entry: Mapping[str, Any]) -> str:
    version = f"@{entry['version']}" if entry.get("version") else ""
    return f"{entry.get('owner')}/{entry.get('name')}{version}" if entry else ""
