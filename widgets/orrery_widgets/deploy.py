"""Put a model behind an endpoint, see it come up, and try it.

from orrery_widgets import Deploy
Deploy("breast-1")
"""

from __future__ import annotations

from html import escape
from typing import Any

from orrery.client import Client, Endpoint, Model, Training
from orrery.client.failures import field_messages
from orrery.errors import Invalid, NotFound
from orrery_widgets import code, parts
from orrery_widgets.notebooks import Notebook, call_notebook
from orrery_widgets.panel import Panel
from orrery_widgets.playground import Playground
from orrery_widgets.progress import Progress
from orrery_widgets.sources import find_model

MOST = 200
MAX_REPLICAS = 5
#: what an endpoint gets that is asked for no other size
_DEFAULT_SIZE = "serve-small"


class Deploy(Panel):
    """A form until it is sent, then the endpoint's state, and its playground once it answers.

    Made again with the same model and `endpoint`, or with the endpoint's `id`, it shows that endpoint.
    """

    def __init__(
        self,
        model: str | Model | Training | None = None,
        endpoint: str | None = None,
        *,
        replicas: int | None = None,
        traffic: int | None = None,
        instance_type: str | None = None,
        id: str | None = None,
        client: Client | None = None,
    ) -> None:
        super().__init__("Deploy a model", client=client)
        self._wanted_model, self._wanted_size = model, instance_type or _DEFAULT_SIZE
        self.endpoint: Endpoint | None = None
        self.playground: Playground | None = None
        self.progress: Progress | None = None
        self.model_input: Any = parts.dropdown("Model")
        self.endpoint_input: Any = parts.text("Endpoint", endpoint or "", placeholder="the model's name")
        self._endpoint_help = parts.html()
        self.replicas_input: Any = parts.number("Replicas", replicas or 1, integer=True)
        share = "" if traffic is None else str(traffic)
        self.traffic_input: Any = parts.text("Traffic share in %", share, placeholder="empty: all of it")
        self.size_input: Any = parts.dropdown("Instance type")
        self._faults: dict[str, Any] = {
            place: parts.html() for place in ("name", "replicas", "traffic", "instance_type")
        }
        self.submit_button: Any = parts.button("Deploy", self.submit, style="primary")
        self._state = parts.html()
        self._playground_box = parts.box()
        self._is_listening = False
        for control in (self.model_input, self.replicas_input, self.traffic_input, self.size_input):
            parts.observe(control, self.refresh_code)
        parts.observe(self.endpoint_input, lambda: self.run(self._explain_endpoint))
        self._offer = self.offer_notebook(self._make_notebook)
        self.run(lambda: self._begin(id))

    # what a person does

    def submit(self) -> None:
        """Deploy with the form's values."""
        self.submit_button.disabled = True
        self.clear_error()
        for fault in self._faults.values():
            fault.value = ""
        self.run(self._submit)

    def change(self) -> None:
        """Back to the form: another model, another share."""
        self.run(self._show_form)

    def write_notebook(self) -> None:
        """Write the deployment, and a first request, as a notebook beside the current one, and link it."""
        self._offer.write()

    def fault_of(self, place: str) -> str:
        """What is wrong with the name, replicas, traffic or instance_type, as HTML."""
        return str(self._faults[place].value)

    @property
    def endpoint_help(self) -> str:
        """What deploying would do to the endpoint of that name, as HTML."""
        return str(self._endpoint_help.value)

    def code(self) -> str:
        try:
            named = self._call()
        except Invalid as error:
            return f"# {error.message}"
        return code.program(code.call("client.deploy", named.pop("model"), result="endpoint", **named))

    def _make_notebook(self) -> tuple[Notebook, str] | None:
        """Raises: Invalid for a share that is no whole number."""
        named = self._call()
        if not named["model"]:
            return None
        model = self.client.models.get(named["model"])
        example = code.call("client.models.get", model.qualified_name, result="example")
        asked = f'{example}.status.outputs["example"]["instances"]\nanswer = endpoint.ask(example)\nanswer'
        name = named["endpoint"] or model.name
        return call_notebook(f"Deploy {model.qualified_name}", self.code(), asked), f"deploy-{name}"

    # the form

    def _begin(self, id: str | None) -> None:
        if id is not None:
            self._show_endpoint(self.client.endpoints.get(id))
            return
        self._read_choices()
        name = self.endpoint_input.value.strip()
        earlier = self._find_endpoint(name) if name and self._wanted_model is not None else None
        if earlier is not None and self.model_input.value in _models_of(earlier):
            self._show_endpoint(earlier)
        else:
            self._show_form()

    def _read_choices(self) -> None:
        models = list(self.client.models.list(state="Active", limit=MOST))
        wanted = self._wanted_model
        if wanted is not None:
            found = find_model(self.client, wanted)
            models = [found, *(model for model in models if model.id != found.id)]
        parts.set_choices(self.model_input, [(model.qualified_name, model.id) for model in models])
        sizes: list[parts.Choice] = [
            (f"{size['name']}: {size.get('title') or ''}", size["name"])
            for size in self.client.instance_types()
            if size["fits"]
        ]
        sizes.sort(key=lambda size: not str(size[1]).startswith("serve-"))
        parts.set_choices(self.size_input, sizes, self._wanted_size)

    def _show_form(self) -> None:
        if not self.model_input.options:
            self._read_choices()
        if not self.model_input.options:
            self.set_body([parts.html("There is no model yet. A training registers one: TrainingForm() begins one.")])
            return
        faults = self._faults
        self.set_body(
            [
                self.model_input,
                *(self.endpoint_input, self._endpoint_help, faults["name"]),
                *(self.replicas_input, faults["replicas"], self.traffic_input, faults["traffic"]),
                *(self.size_input, faults["instance_type"]),
                parts.row([self.submit_button], margin="8px 0 0 0"),
            ]
        )
        self._explain_endpoint()

    def _explain_endpoint(self) -> None:
        """What a deployment on the endpoint of this name would do to those that are there."""
        name = self.endpoint_input.value.strip()
        found = self._find_endpoint(name) if name else None
        if found is None:
            words = "A new endpoint is made." if name else "A new endpoint with the model's name is made."
        else:
            present = ", ".join(f"{entry['model']} {entry['traffic']} %" for entry in _deployments(found))
            words = f"It is there, with {present or 'no model'}. Without a share this model takes their place, "
            words += "without losing a request; with one it is added and the others share the rest."
        self._endpoint_help.value = f"<div class='orrw-help'>{escape(words)}</div>"
        self.refresh_code()

    def _find_endpoint(self, name: str) -> Endpoint | None:
        try:
            return self.client.endpoints.get(name)
        except NotFound:
            return None

    def _call(self) -> dict[str, Any]:
        """The arguments of `client.deploy`. Raises: Invalid for a share that is no whole number."""
        share = self.traffic_input.value.strip().removesuffix("%").strip()
        if share and not share.isdecimal():
            message = f"the traffic share is {share!r}; write a whole number from 0 to 100, or leave it empty"
            raise Invalid(message, fields=[{"path": "traffic", "message": message}])
        replicas, size = int(self.replicas_input.value), self.size_input.value
        return {
            "model": self.model_input.value or "",
            "endpoint": self.endpoint_input.value.strip() or None,
            "replicas": replicas if replicas != 1 else None,
            "traffic": int(share) if share else None,
            "instance_type": size if size != _DEFAULT_SIZE else None,
        }

    def _submit(self) -> None:
        try:
            named = self._call()
            endpoint = self.client.deploy(named.pop("model"), **named, wait=False)
        except Invalid as error:
            if not self._place(error):
                raise
            return
        finally:
            self.submit_button.disabled = False
        self._show_endpoint(endpoint)

    def _place(self, error: Invalid) -> bool:
        """Each fault at its field, in the platform's words; whether all of them have one."""
        faults = field_messages(error)
        for path, message in faults:
            place = path.rpartition(".")[2]
            if place not in self._faults:
                return False
            self._faults[place].value = parts.field_alert(message)
        return bool(faults)

    # the endpoint

    def _show_endpoint(self, endpoint: Endpoint) -> None:
        self.endpoint, self.playground = endpoint, None
        self.endpoint_input.value = endpoint.name
        self.progress = Progress(endpoint, client=self.client)
        self._playground_box.children = []
        self.set_body(
            [
                self.progress,
                self._state,
                parts.row([parts.button("Change", self.change)], margin="6px 0"),
                self._playground_box,
            ]
        )
        if not self._is_listening:
            self._is_listening = True
            self.listen(["endpoint"], self._check)
        self._check()

    def _check(self) -> None:
        """The endpoint as it is now; its playground as soon as it answers."""
        if self.endpoint is None:
            return
        endpoint = self.endpoint.refresh()
        self._state.value = show_endpoint(endpoint)
        if endpoint.status.phase == "ACTIVE" and self.playground is None:
            self.playground = Playground(endpoint, client=self.client)
            self._playground_box.children = [self.playground]
        self.refresh_code()


def show_endpoint(endpoint: Endpoint) -> str:
    """Address and deployments, as HTML."""
    rows = [
        (entry["model"], f"{entry['traffic']} %", f"{entry['ready']} of {entry['wanted']}", entry.get("message"))
        for entry in _deployments(endpoint)
    ]
    table = parts.table(["Model", "Traffic", "Replicas ready", "Message"], rows, caption="Deployments") if rows else ""
    return f"<div>Address: <code>{escape(endpoint.url)}</code></div>{table}"


def _deployments(endpoint: Endpoint) -> list[dict[str, Any]]:
    return list(endpoint.status.outputs.get("deployments") or [])


def _models_of(endpoint: Endpoint) -> list[str]:
    return [entry["model"] for entry in endpoint.spec["deployments"]]
