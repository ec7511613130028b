"""Panels as a notebook's kernel has them, on a real platform: what a person does is a change of a widget's value."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from sklearn.datasets import load_iris

import orrery
from orrery.client import Client, Endpoint, Training
from orrery.client.transport import Patience
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until
from orrery_widgets import Deploy, ModelFactory, Playground, Progress, Queue, RunTable, TrainingForm


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    home = Path(tempfile.mkdtemp(prefix="orrery-"))
    with RunningPlatform(home) as platform, orrery.Client(platform.url, platform.announcement["token"]) as client:
        data: Any = load_iris(as_frame=True)
        frame: pd.DataFrame = data.frame.rename(columns={"target": "species"})
        frame["species"] = [str(data.target_names[value]) for value in frame["species"]]
        frame["colour"] = ["red", "blue"] * 75
        client.datasets.create("iris", {"iris.csv": frame}, publish=True)
        client.experiments.create("flowers")
        yield client
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def form(client: Client) -> Iterator[TrainingForm]:
    panel = TrainingForm("xgboost", "iris", "species", parameters={"rounds": 5}, client=client)
    panel.settle()
    yield panel
    panel.close()


def test_the_form_is_made_from_the_algorithm_and_the_dataset(form: TrainingForm, client: Client) -> None:
    schema = client.algorithms.get("xgboost").parameters_schema
    assert list(form.inputs) == list(schema["properties"])
    assert form.inputs["target"].value == "species"
    assert form.inputs["rounds"].value == 5
    assert [value for _, value in form.inputs["target"].control.options][1:] == client.datasets.get("iris").columns
    assert form.name_input.value == "iris-1"
    assert "nothing waits" in form.cost and "1 core" in form.cost
    form.inputs["max_depth"].value = 3
    form.algorithm_input.value = "orrery/logistic-regression"
    form.settle()
    assert "max_depth" not in form.inputs and form.inputs["target"].value == "species"
    form.algorithm_input.value = "orrery/xgboost"
    form.settle()
    assert form.inputs["max_depth"].value == 3, "what was entered before is there again"


def test_a_refusal_stands_at_its_field_in_the_platforms_words(form: TrainingForm, client: Client) -> None:
    form.inputs["max_depth"].value = 50
    form.submit()
    form.settle()
    assert "it must be a whole number from 1 to 20" in form.inputs["max_depth"].fault
    assert form.problem == "" and form.training is None
    form.inputs["max_depth"].value = 2
    assert form.inputs["max_depth"].fault == ""
    form.name_input.value = "not a name"
    form.submit()
    form.settle()
    assert "1 to 63 letters" in form.fault_of("name")
    assert list(client.trainings.list(q="not a")) == []


def test_the_form_becomes_the_run_and_its_key_finds_it_again(client: Client) -> None:
    form = TrainingForm("xgboost", "iris", "species", experiment="flowers", key="demo", name="keyed", client=client)
    form.settle()
    form.inputs["rounds"].value = 4
    named = form.code()
    form.submit()
    form.settle()
    assert form.training is not None and form.progress is not None, form.problem
    form.progress.join(90)
    training = client.trainings.get("keyed")
    assert training.status.phase == "COMPLETE"
    assert training.spec["parameters"] == {"target": "species", "rounds": 4}
    assert 'name="keyed"' in named and 'parameters={"rounds": 4}' in named

    again = TrainingForm(key="demo", client=client)
    again.settle()
    assert again.training == training, "a new kernel finds the run by its key"
    by_id = TrainingForm(id=training.id, client=client)
    by_id.settle()
    assert by_id.training == training
    assert by_id.progress is not None
    by_id.progress.join(30)
    assert "COMPLETE" in by_id.progress.children[0].value
    again.new_run()
    again.settle()
    assert again.training is None and again.name_input.value == "iris-1"
    again.instance_input.value = "cpu-medium"
    again.new_run()
    again.settle()
    assert again.instance_input.value == "cpu-medium", "a new run begins with what was chosen"
    for panel in (form, again, by_id):
        panel.close()


def test_a_version_that_is_given_stays_pinned(client: Client) -> None:
    panel = TrainingForm("xgboost", client.dataset_versions.get("iris"), client=client)
    panel.settle()
    assert panel.dataset_input.value.endswith("/iris@1"), panel.problem
    assert [value for _, value in panel.inputs["target"].control.options][1:] == client.datasets.get("iris").columns
    panel.close()


def test_the_call_that_a_form_shows_does_the_same(form: TrainingForm, client: Client) -> None:
    form.name_input.value = "by-code"
    form.inputs["rounds"].value = 3
    source = form.code().replace("orrery.Client()", f"orrery.Client({client.url!r}, token)")
    names: dict[str, Any] = {"token": client.transport.platform.token}
    exec(source, names)
    training = client.trainings.get("by-code").wait(progress=False)
    names["client"].close()
    assert training.spec["parameters"] == {"target": "species", "rounds": 3}


def test_a_form_is_the_notebook_that_will_run(
    form: TrainingForm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    form.write_notebook()
    form.settle()
    text = (tmp_path / f"{form.name_input.value}.ipynb").read_text()
    assert 'target = \\"species\\"\\nrounds = 5' in text


def test_a_run_is_read_forked_and_run_again_as_it_was(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    training = client.train("xgboost", name="forked", dataset="iris", target="species", parameters={"rounds": 4})
    panel = Progress(training)
    panel.join(90)
    panel.write_notebook()
    panel.fork()
    executed, fork = (json.loads((tmp_path / f"forked{end}.ipynb").read_text()) for end in ("", "-fork"))
    assert [cell["source"] for cell in fork["cells"]] == [cell["source"] for cell in executed["cells"]]
    assert any(cell.get("outputs") for cell in executed["cells"])
    assert not any(cell.get("outputs") or "papermill" in cell["metadata"] for cell in fork["cells"])
    shown = unescape(panel.children[4].children[2].value)
    call = shown.partition("role='region'")[2].partition(">")[2].partition("</pre>")[0]
    monkeypatch.setenv("ORRERY_URL", client.url)
    monkeypatch.setenv("ORRERY_TOKEN", client.transport.platform.token or "")
    names: dict[str, Any] = {}
    exec(call, names)
    names["client"].close()
    again = next(iter(client.trainings.list(q="forked-fork-")))
    assert again.spec["parameters"] == training.spec["parameters"] == {"target": "species", "rounds": 4}
    assert again.metrics == training.metrics and again.model.status.phase == "ACTIVE"
    panel.close()


def test_a_panel_without_a_platform_says_so_and_tries_again() -> None:
    away = orrery.Client("http://127.0.0.1:9", "x", patience=Patience(refused_seconds=0.1))
    panel = TrainingForm(client=away)
    panel.settle()
    assert "no platform answers at http://127.0.0.1:9" in panel.problem
    assert panel.again_button.layout.display != "none"
    panel.close()
    away.close()


@pytest.fixture(scope="module")
def trained(client: Client) -> tuple[Training, Training]:
    """Two runs of one experiment, with other parameters."""
    options: dict[str, Any] = {"dataset": "iris", "target": "species", "experiment": "flowers", "wait": True}
    first = client.train("xgboost", name="first", parameters={"rounds": 6}, progress=False, **options)
    second = client.train("logistic-regression", name="second", progress=False, **options)
    return first, second


@pytest.fixture(scope="module")
def endpoint(client: Client, trained: tuple[Training, Training]) -> Endpoint:
    return client.deploy(trained[0], endpoint="flower", progress=False)


def test_runs_are_set_side_by_side(client: Client, trained: tuple[Training, Training]) -> None:
    first, second = trained
    table = RunTable("flowers", client=client)
    table.settle()
    assert {run.name for run in table.shown} >= {"first", "second"}
    table.filter_input.value = "logistic"
    table.settle()
    assert [run.name for run in table.shown] == ["second"]
    table.filter_input.value = ""
    table.order_input.value = "name"
    table.descending.value = False
    table.settle()
    names = [run.name for run in table.shown]
    assert names == sorted(names)
    assert table.curves == ""
    table.choose(first.id, second.id)
    table.settle()
    assert table.curves.count("<polyline") == 2 and "first" in table.curves and "second" in table.curves
    assert "<th scope='row'>Algorithm</th><td>xgboost</td><td>logistic-regression</td>" in table.differences
    depth = client.algorithms.get("xgboost").parameters_schema["properties"]["rounds"]["default"]
    assert depth != 6 and "parameter:rounds" in table.columns
    assert "<th scope='row'>rounds</th><td>6</td><td>–</td>" in table.differences, "the other has no such parameter"
    table.columns = ["max_depth", "accuracy"]
    table.settle()
    assert table.columns == ["parameter:max_depth", "metric:accuracy"] == list(table.columns_input.value)
    table.columns_input.value = ("phase",)
    table.settle()
    assert table.columns == ["phase"]
    assert first.id in table.code() and second.id in table.code()
    table.close()

    opened = RunTable("another", id="training/first", client=client)
    opened.settle()
    assert [run.name for run in opened.shown] == ["first"], "the run that was asked for is there"
    assert "first" in opened.curves
    opened.close()


def test_a_table_follows_the_platform(client: Client) -> None:
    table = RunTable(client=client)
    table.settle()
    training = client.train("xgboost", name="live", dataset="iris", target="species", parameters={"rounds": 3})
    wait_until(lambda: any(run.name == "live" for run in table.shown), what="the run is in the table")
    training.wait(progress=False)
    wait_until(
        lambda: any(run.name == "live" and run.metrics for run in table.shown),
        what="the run's metrics are in the table",
    )
    table.close()


def test_a_model_is_registered_shown_and_deployed_until_it_answers(
    client: Client, trained: tuple[Training, Training], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    factory = ModelFactory(client=client)
    factory.settle()
    factory.training_input.value = trained[1].id
    factory.name_input.value = "not a name"
    factory.register()
    factory.settle()
    assert factory.problem == "" and "1 to 63 letters" in factory.name_fault
    factory.name_input.value = "by-hand"
    factory.register()
    factory.settle()
    assert factory.model is not None and factory.model.qualified_name.endswith("/by-hand@1"), factory.problem
    assert "setosa, versicolor, virginica" in factory.card and "logistic-regression" in factory.card

    factory.deploy()
    form = factory.deployment
    assert form is not None
    form.settle()
    form.traffic_input.value = "half"
    form.submit()
    form.settle()
    assert "&#x27;half&#x27;; write a whole number" in form.fault_of("traffic")
    form.traffic_input.value = ""
    form.replicas_input.value = 9
    form.submit()
    form.settle()
    assert "5" in form.fault_of("replicas") and form.endpoint is None
    form.replicas_input.value = 1
    form.endpoint_input.value = "by-hand"
    form.submit()
    playground = wait_until(lambda: form.playground, what="the endpoint answers")
    playground.settle()
    playground.ask()
    playground.settle()
    assert playground.answer is not None and playground.answer["predictions"], playground.problem
    wait_until(lambda: "Used by endpoint" in factory.card, what="the card names its endpoint")

    factory.write_notebook()
    form.write_notebook()
    factory.settle()
    form.settle()
    assert run_as_program(client, tmp_path / "model-by-hand.ipynb", monkeypatch)["model"] == factory.model
    assert run_as_program(client, tmp_path / "deploy-by-hand.ipynb", monkeypatch)["answer"]["predictions"]

    again = Deploy(factory.model, "by-hand", client=client)
    again.settle()
    assert again.endpoint is not None, "made again, it shows the endpoint and no form"
    again.close()
    factory.close()


def run_as_program(client: Client, notebook: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that a written notebook leaves when it is run from top to bottom, its panels left out."""
    monkeypatch.setenv("ORRERY_URL", client.url)
    monkeypatch.setenv("ORRERY_TOKEN", client.transport.platform.token or "")
    names: dict[str, Any] = {}
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code" and "orrery_widgets" not in cell["source"]:
            exec(cell["source"], names)
    names["client"].close()
    return names


def test_a_share_of_the_traffic_is_given_by_the_form(
    client: Client, trained: tuple[Training, Training], endpoint: Endpoint
) -> None:
    form = Deploy(trained[1], "flower", traffic=30, client=client)
    form.settle()
    assert form.endpoint is None, "another model is behind it: the form is shown"
    assert "It is there, with" in form.endpoint_help and "100 %" in form.endpoint_help
    form.submit()
    form.settle()
    assert form.problem == ""
    shares = {entry["model"]: entry["traffic"] for entry in client.endpoints.get("flower").spec["deployments"]}
    assert shares == {trained[0].model.id: 70, trained[1].model.id: 30}
    wait_until(lambda: form.playground, what="the endpoint answers")
    form.close()


def test_an_endpoint_is_asked_by_form_json_and_table(client: Client, endpoint: Endpoint) -> None:
    endpoint.wait(progress=False)
    panel = Playground("flower", client=client)
    panel.settle()
    assert list(panel.inputs) == [name for name in client.datasets.get("iris").columns if name != "species"]
    panel.ask()
    panel.settle()
    assert "setosa" in panel.result and "%" in panel.result, panel.problem
    panel.inputs["petal length (cm)"].value = "long"
    panel.ask()
    panel.settle()
    assert "petal length (cm) is &#x27;long&#x27;; write a number" in panel.problem

    panel.mode.value = "JSON"
    panel.json_input.value = '{"petal lenght (cm)": 1}'
    panel.ask()
    panel.settle()
    assert "did you mean &#x27;petal length (cm)&#x27;?" in panel.problem, "the server's words"
    panel.mode.value = "Table"
    row = panel.table_input.value.splitlines()[1]
    panel.table_input.value += f"{row}\n"
    panel.ask()
    panel.settle()
    assert panel.problem == "" and "Row 2" in panel.result
    panel.language.value = "curl"
    assert "/endpoints/" in panel.call and "$ORRERY_TOKEN" in panel.call
    panel.close()


@pytest.mark.parametrize("language", ["Python", "curl"])
def test_the_call_that_a_playground_shows_answers(client: Client, endpoint: Endpoint, language: str) -> None:
    panel = Playground(endpoint, client=client)
    panel.settle()
    panel.language.value = language
    text = unescape(panel.call.partition(">")[2].removesuffix("</pre>"))
    token = client.transport.platform.token or ""
    command = ["bash", "-c", text] if language == "curl" else [sys.executable, "-c", text]
    variables = {**os.environ, "ORRERY_URL": client.url, "ORRERY_TOKEN": token}
    answered = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert "setosa" in answered.stdout, answered.stderr
    panel.close()


def test_the_queue_shows_what_waits_and_stops_ones_own(client: Client) -> None:
    endless = {"target": "species", "rounds": 10000, "early_stopping_rounds": 0, "learning_rate": 0.001}
    cores = int(client.queue()["capacity"]["total"]["cores"])
    made = [
        client.trainings.create(f"endless-{n}", algorithm="xgboost", dataset="iris", parameters=endless)
        for n in range(cores + 1)
    ]
    panel = Queue(client=client)
    waiting = wait_until(lambda: panel.waiting, what="a job waits")
    assert waiting[0]["place"] == 1 and "waits for" in panel.line_of(waiting[0]["resource"])
    assert "held" in panel.held and panel.running
    for training in made:
        panel.stop_job(training.id)
    wait_until(lambda: not panel.waiting, what="nothing waits")
    for training in made:
        wait_until(lambda id=training.id: client.trainings.get(id).has_settled(), what="the job has ended")
        assert client.trainings.get(training.id).status.state in ("Cancelled", "Completed")
    panel.close()


def test_a_panel_in_a_new_thread_of_events_stops_when_it_is_closed(client: Client) -> None:
    before = set(threading.enumerate())
    panel = Queue(client=client)
    panel.settle()
    panel.close()
    wait_until(lambda: set(threading.enumerate()) <= before, seconds=20, what="the panel's threads have ended")


def test_a_cell_that_runs_again_stops_the_panel_of_its_last_run(client: Client) -> None:
    environment = {**os.environ, "ORRERY_URL": client.url, "ORRERY_TOKEN": client.transport.platform.token or ""}
    manager, kernel = start_new_kernel(kernel_name="python3", env=environment)
    code = "from orrery_widgets import Queue\nearlier = globals().get('panel')\npanel = Queue()\npanel.settle()"
    try:
        run_cell(kernel, "cell-1", code)
        assert "No longer live" not in run_cell(kernel, "cell-2", "", "panel.status")
        run_cell(kernel, "cell-1", code)
        assert "No longer live" in run_cell(kernel, "cell-2", "", "earlier.status")
        assert "No longer live" not in run_cell(kernel, "cell-2", "", "panel.status")
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)


def run_cell(kernel: BlockingKernelClient, cell: str, code: str, asked: str = "None") -> str:
    """Run `code` as the notebook cell `cell`, and answer what `asked` is then."""
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
    message = kernel.session.msg("execute_request", {**content, "user_expressions": {"asked": asked}})
    message["metadata"]["cellId"] = cell
    kernel.shell_channel.send(message)
    while True:
        reply: dict[str, Any] = kernel.get_shell_msg(timeout=120)
        if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            assert reply["content"]["status"] == "ok", "\n".join(reply["content"].get("traceback", []))
            return reply["content"]["user_expressions"]["asked"]["data"]["text/plain"]
