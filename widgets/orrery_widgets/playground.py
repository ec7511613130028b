"""Ask an endpoint: by a form made from its inputs, as JSON, or with a table; and the same call for one's own program.

from orrery_widgets import Playground
Playground("breast")
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, cast

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]

from orrery.client import Client, Endpoint
from orrery.errors import Invalid
from orrery_widgets import answers, calls, parts
from orrery_widgets.file_input import FileInput
from orrery_widgets.panel import Panel
from orrery_widgets.rows import (
    FILE_KINDS,
    InputColumn,
    Row,
    named_row,
    read_columns,
    read_json,
    read_table,
    read_value,
    write_table,
    write_value,
)

MOST = 200


class Playground(Panel):
    """Shows the endpoint's model's own example first. Without `endpoint` there is a choice of them."""

    def __init__(self, endpoint: str | Endpoint | None = None, *, client: Client | None = None) -> None:
        super().__init__("Playground", client=client)
        self._wanted = endpoint
        self.endpoint: Endpoint | None = None
        self._columns: Sequence[InputColumn] = ()
        self._classes: Sequence[Any] | None = None
        self._asked: list[Row] = []
        self.answer: Mapping[str, Any] | None = None
        self.endpoint_input: Any = parts.dropdown("Endpoint")
        self.mode: Any = widgets.ToggleButtons(options=["Form", "JSON", "Table"], description="Input")
        self.inputs: dict[str, Any] = {}
        self._form = parts.row(align_items="flex-start")
        wide = widgets.Layout(width="100%", height="180px")
        self.json_input: Any = widgets.Textarea(description="JSON", layout=wide)
        self.table_input: Any = widgets.Textarea(description="Table", layout=wide)
        note = "Paste rows with their header, separated by commas or, as from a spreadsheet, by tabs."
        self._table_box = parts.box([self.table_input, parts.html(parts.soft(note))])
        self.ask_button: Any = parts.button("Ask", self.ask, style="primary")
        self.start_button: Any = parts.button("Start the endpoint", lambda: self.run(self._start))
        self._took = parts.html()
        self._answer = parts.html()
        self.language: Any = widgets.ToggleButtons(options=calls.LANGUAGES, description="Call it from")
        self._call = parts.html()
        for control in (self.mode, self.language):
            parts.observe(control, self._show_mode if control is self.mode else self._show_call)
        for control in (self.json_input, self.table_input):
            parts.observe(control, self._show_call)
        self.run(self._begin)

    # what a person does

    def ask(self) -> None:
        """Send what was entered."""
        self.ask_button.disabled = True
        self.clear_error()
        self.run(self._ask)

    @property
    def rows(self) -> list[Row]:
        """What would be sent. Raises: Invalid where a number is none, or the text is no JSON."""
        match self.mode.value:
            case "JSON":
                return read_json(self.json_input.value)
            case "Table":
                return read_table(self.table_input.value, self._columns)
            case _:
                return [{column.name: read_value(self.inputs[column.name].value, column) for column in self._columns}]

    @property
    def result(self) -> str:
        """The answer, as HTML."""
        return str(self._answer.value)

    @property
    def call(self) -> str:
        """The call in the chosen language, as HTML."""
        return str(self._call.value)

    def code(self) -> str:
        endpoint = self.endpoint
        if endpoint is None:
            return "# choose an endpoint first"
        try:
            return calls.in_python(endpoint.qualified_name, self.rows, probabilities=self._classes is not None)
        except Invalid as error:
            return f"# {error.message}"

    # making it

    def _begin(self) -> None:
        wanted = self._wanted
        if wanted is not None:
            found = self.client.find(wanted, "endpoint")
            assert isinstance(found, Endpoint)
            self._open(found)
            return
        found = list(self.client.endpoints.list(limit=MOST))
        if not found:
            self.set_body([parts.html("There is no endpoint yet. Deploy() puts a model behind one.")])
            return
        parts.set_choices(self.endpoint_input, [(one.qualified_name, one.id) for one in found])
        parts.observe(self.endpoint_input, lambda: self.run(self._chosen))
        self._chosen()

    def _chosen(self) -> None:
        self._open(self.client.endpoints.get(self.endpoint_input.value))

    def _open(self, endpoint: Endpoint) -> None:
        """The form of the model that gets most of the requests."""
        self.endpoint = endpoint
        self.set_title(f"Playground: {endpoint.qualified_name}")
        deployments = sorted(endpoint.spec["deployments"], key=lambda entry: -int(entry["traffic"]))
        outputs = self.client.models.get(deployments[0]["model"]).status.outputs
        self._columns = read_columns(outputs.get("inputs") or ())
        self._classes = outputs.get("classes") if outputs.get("task") != "regression" else None
        example: Mapping[str, Any] = outputs.get("example") or {}
        instances: Sequence[Any] = example.get("instances") or ({},)
        first = named_row(instances[0], self._columns)
        self.inputs = {column.name: _make_input(column, first.get(column.name)) for column in self._columns}
        for control in self.inputs.values():
            parts.observe(control, self._show_call)
        self._form.children = list(self.inputs.values())
        self.json_input.value = json.dumps({"instances": list(instances)}, indent=2, ensure_ascii=False)
        self.table_input.value = write_table([first], self._columns)
        is_table = all(column.kind not in FILE_KINDS and column.kind != "series" for column in self._columns)
        self.mode.options = ["Form", "JSON", *(["Table"] if is_table else [])] if self._columns else ["JSON"]
        self._answer.value = self._took.value = ""
        parts.show(self.start_button, endpoint.status.phase == "STOPPED")
        picker = [self.endpoint_input] if self._wanted is None else []
        self.set_body(
            [
                *(*picker, self.mode, self._form, self.json_input, self._table_box),
                parts.row([self.ask_button, self.start_button, self._took], margin="6px 0"),
                *(self._answer, self.language, self._call),
            ]
        )
        self._show_mode()

    def _show_mode(self) -> None:
        for mode, control in (("Form", self._form), ("JSON", self.json_input), ("Table", self._table_box)):
            parts.show(control, self.mode.value == mode)
        self._show_call()

    def _show_call(self) -> None:
        endpoint = self.endpoint
        if endpoint is None:
            return
        try:
            rows = self.rows
        except Invalid as error:
            self._call.value = parts.soft(error.message)
            return
        probable = self._classes is not None
        body = calls.make_body(rows, probabilities=probable)
        address = calls.predict_address(endpoint.url, endpoint.name)
        needs_token = endpoint.visibility != "public"
        match self.language.value:
            case "curl":
                text = calls.in_curl(address, body, with_token=needs_token)
            case "JavaScript":
                text = calls.in_javascript(address, body, with_token=needs_token)
            case _:
                text = calls.in_python(endpoint.qualified_name, rows, probabilities=probable)
        self._call.value = parts.code_block(text, f"The call in {self.language.value}")
        self.refresh_code()

    # asking

    def _ask(self) -> None:
        endpoint = self.endpoint
        try:
            if endpoint is None:
                return
            rows = self.rows
            parameters = {"probabilities": True} if self._classes is not None else None
            began = time.perf_counter()
            self.answer = endpoint.ask(rows, parameters=parameters)
            took = time.perf_counter() - began
        finally:
            self.ask_button.disabled = False
        self._took.value = f"<span role='status'>answered in {took * 1000:.0f} ms</span>"
        self._answer.value = answers.show_answer(self.answer, self._classes, given=self._given(rows))

    def _given(self, rows: Sequence[Any]) -> answers.Given:
        """What one row gave that the answer is drawn with."""
        row: Any = rows[0] if len(rows) == 1 else None
        if not isinstance(row, Mapping):
            return answers.Given()
        named = cast("Mapping[str, Any]", row)
        values = {column.kind: named.get(column.name) for column in self._columns}
        content: Any = values.get("image")
        picture = cast("Mapping[str, Any]", content).get("b64") if isinstance(content, Mapping) else content
        return answers.Given(picture=picture or "", series=values.get("series") or ())

    def _start(self) -> None:
        if self.endpoint is not None:
            self.endpoint.start()
            self.endpoint.wait(progress=False)
            parts.show(self.start_button, False)
            self.say(f"{escape(self.endpoint.name)} runs again.")


def _make_input(column: InputColumn, value: Any) -> Any:
    layout = {
        "style": {"description_width": "210px"},
        "layout": widgets.Layout(width="430px", max_width="100%"),
    }
    shown = write_value(value, column)
    made: Any
    if column.kind in FILE_KINDS:
        return FileInput(column.name, column.kind, shown)
    if column.kind in ("series", "text"):
        wide = widgets.Layout(width="720px", max_width="100%", height="90px")
        made = widgets.Textarea(description=column.name, value=shown, style=layout["style"], layout=wide)
    elif column.kind == "boolean":
        choices: list[parts.Choice] = [("yes", "true"), ("no", "false")]
        choices += [("(missing)", "")] if column.nullable else []
        made = widgets.Dropdown(description=column.name, options=choices, **layout)
        made.value = {"True": "true", "1.0": "true", "": choices[-1][1]}.get(shown, "false")
    elif column.categories:
        made = widgets.Combobox(description=column.name, options=column.categories, value=shown, **layout)
    else:
        made = widgets.Text(description=column.name, value=shown, placeholder=column.hint, **layout)
    made.tooltip = f"{column.name}: {column.hint}" if column.hint else column.name
    return made
