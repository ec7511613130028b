"""Panels as a notebook's kernel has them, on a real platform: what a person does is a change of a widget's value."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris

import orrery
from orrery.client import Client
from orrery.testing.platform import RunningPlatform
from orrery_widgets import TrainingForm


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
    assert form.training is not None, form.problem
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
    by_id.progress.join(30)
    assert "COMPLETE" in by_id.progress.children[0].value
    again.new_run()
    again.settle()
    assert again.training is None and again.name_input.value == "iris-1"
    for panel in (form, again, by_id):
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
    text = (tmp_path / "iris-1.ipynb").read_text() if form.name_input.value == "iris-1" else ""
    text = text or next(tmp_path.glob("*.ipynb")).read_text()
    assert 'target = \\"species\\"\\nrounds = 5' in text


def test_a_panel_without_a_platform_says_so_and_tries_again(client: Client, tmp_path: Path) -> None:
    from orrery.client.transport import Patience

    away = orrery.Client("http://127.0.0.1:9", "x", patience=Patience(refused_seconds=0.1))
    panel = TrainingForm(client=away)
    panel.settle()
    assert "no platform answers at http://127.0.0.1:9" in panel.problem
    assert panel.again_button.layout.display != "none"
    panel.close()
    away.close()
