"""What a form has beside algorithm, data and parameters: memory, settings, templates, earlier runs. On a platform."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import orrery
from orrery.client import Client, Training
from orrery.errors import Invalid, NotFound
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until
from orrery_widgets import Progress, TrainingForm, TuningForm, TuningView

WAITS = """
import argparse, os, pathlib, time
from orrery.jobs import report
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, default=0.0)
parser.add_argument("--go", default="")
a = parser.parse_args()
while a.go and not pathlib.Path(a.go).exists():
    time.sleep(0.05)
pathlib.Path(os.environ["EM_MODEL_DIR"], "weights.bin").write_bytes(b"1")
report.result({"height": 10 - (a.x - 2) ** 2})
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    home = Path(tempfile.mkdtemp(prefix="orrery-"))
    environment = {"ORRERY_CORES": "4", "ORRERY_MEMORY_BYTES": "16G"}
    with RunningPlatform(home, environment=environment) as platform:
        with orrery.Client(platform.url, platform.announcement["token"]) as client:
            numbers = np.random.default_rng(3).normal(size=(60_000, 8)).round(2)
            table = pd.DataFrame({f"n{place}": numbers[:, place] for place in range(8)})
            table["side"] = np.where(table["n0"] > 0, "left", "right")
            client.datasets.create("large", {"large.csv": table}, publish=True, progress=False)
            client.datasets.create("small", {"small.csv": table.head(200)}, publish=True, progress=False)
            client.algorithms.create("hill", {"hill.py": WAITS.encode()}, metrics={"height": ""})
            client.secrets.set("hub-token", "not to be seen")
            client.templates.create(
                "quick",
                algorithm="xgboost",
                datasets={"train": "small", "validation": "large"},
                parameters={"target": "side", "rounds": 7},
                instance_type="cpu-medium",
                priority="HIGH",
                max_seconds=5400,
                environment={"OMP_NUM_THREADS": "1"},
            )
            yield client
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def own(client: Client) -> Training:
    options: dict[str, Any] = {"dataset": "small", "target": "side", "parameters": {"rounds": 3}}
    return client.train("xgboost", name="own-1", **options).wait(progress=False)


def made(client: Client, **options: Any) -> TrainingForm:
    form = TrainingForm("xgboost", "small", "side", client=client, **options)
    form.settle()
    assert form.problem == ""
    return form


def test_the_form_says_whether_it_fits_and_takes_what_makes_it_fit(client: Client) -> None:
    form = made(client)
    assert "Fits:" in form.memory.words and form.memory.remedies == ()
    form.dataset_input.value = next(value for _, value in form.dataset_input.options if value.endswith("/large"))
    form.inputs["rounds"].value = 5000
    form.inputs["max_depth"].value = 20
    form.settle()
    assert form.memory.estimate is not None and form.memory.estimate.verdict == "exceeds"
    assert "Does not fit:" in form.memory.words
    assert form.inputs["max_depth"].value == 20
    remedy = next(button for button in form.memory.remedies if button.description.startswith("max_depth"))
    remedy.click()
    form.settle()
    assert form.inputs["max_depth"].value < 20 and "Fits:" in form.memory.words
    form.settings.inputs["max_seconds"].control.value = "soon"
    form.settle()
    assert form.memory.words == "", "of what is not filled in nothing is said"
    form.close()


def test_settings_are_folded_away_sent_and_never_hide_a_fault(client: Client, own: Training) -> None:
    form = made(client, name="set")
    settings = form.settings
    assert settings.value == {} and settings.toggle.value is False and settings.toggle.description == "More settings"
    settings.inputs["priority"].value = "LOW"
    settings.inputs["max_seconds"].control.value = "1h30m"
    settings.inputs["environment"].add("EM_X", "1")
    settings.inputs["secrets"].add("HF_TOKEN", "hub-token")
    checkpoints = settings.inputs["checkpoint_from"]
    checkpoints.set_choices([None, own.qualified_name])
    checkpoints.value = own.qualified_name
    settings.inputs["model_name"].control.value = "settled"
    assert settings.toggle.description.startswith("More settings (priority, longest time, ")
    form.submit()
    form.settle()
    assert "&#x27;EM_X&#x27; cannot be set" in settings.inputs["environment"].fault and form.problem == ""
    assert settings.toggle.value is True, "what is wrong is unfolded"
    assert form.training is None and settings.value["max_seconds"] == 5400, "what was typed stays"
    settings.inputs["environment"].remove(0)
    settings.inputs["environment"].add("SPEED", "3")
    settings.inputs["max_seconds"].control.value = "soon"
    form.submit()
    form.settle()
    assert "write for instance 90s, 15m, 2h" in settings.inputs["max_seconds"].fault
    settings.inputs["max_seconds"].control.value = "2h"
    form.submit()
    form.settle()
    assert "own-1 kept no checkpoint" in checkpoints.fault
    checkpoints.value = None
    shown = form.code()
    assert 'secrets={"HF_TOKEN": "hub-token"}' in shown and "not to be seen" not in shown
    form.submit()
    form.settle()
    faults = {name: entry.fault for name, entry in settings.inputs.items() if entry.fault}
    assert form.training is not None, (form.problem, form.fault_of("spec.run"), faults)
    spec = client.trainings.get("set").spec
    assert (spec["priority"], spec["max_seconds"]) == ("LOW", 7200)
    assert (spec["environment"], spec["secrets"]) == ({"SPEED": "3"}, {"HF_TOKEN": "hub-token"})
    form.training.wait(progress=False)
    assert client.models.get("settled").status.phase == "ACTIVE"
    form.new_run()
    form.settle()
    assert form.settings.value["priority"] == "LOW", "a new run begins with what was set"
    form.close()


def test_what_only_a_script_has_is_offered_for_a_script_alone(client: Client) -> None:
    form = made(client)

    def offered() -> list[bool]:
        names = ("torchrun", "processes_per_node", "nodes")
        return [form.settings.inputs[name].layout.display != "none" for name in names]

    assert offered() == [False, False, True]
    form.algorithm_input.value = client.algorithms.get("hill").qualified_name
    wait_until(lambda: offered() == [True, True, True], what="they are offered")
    form.settings.inputs["processes_per_node"].value = 2
    form.algorithm_input.value = client.algorithms.get("xgboost").qualified_name
    # what was set stays in sight: it is for whoever set it to take it back
    wait_until(lambda: offered() == [False, True, True], what="it is a notebook again")
    form.close()


def test_a_setting_that_there_is_not_is_refused_at_once(client: Client) -> None:
    unknown: Any = {"prio": "LOW"}
    with pytest.raises(TypeError, match="there is no setting 'prio'; there are: checkpoint_from, "):
        TrainingForm("xgboost", "small", "side", **unknown, client=client)


def test_a_template_fills_the_form_and_what_is_given_goes_over_it(client: Client) -> None:
    form = TrainingForm(template="quick", priority="LOW", client=client)
    form.settle()
    assert form.problem == ""
    assert form.dataset_input.value.endswith("/small@1"), form.dataset_input.value
    assert form.other_datasets["validation"].value.endswith("/large@1")
    assert (form.inputs["rounds"].value, form.instance_input.value) == (7, "cpu-medium")
    expected = {"priority": "LOW", "max_seconds": 5400, "environment": {"OMP_NUM_THREADS": "1"}}
    assert form.settings.value == expected
    form.name_input.value = "of-template"
    form.submit()
    form.settle()
    assert form.training is not None, form.problem
    spec = form.training.spec
    assert (spec["parameters"], spec["priority"]) == ({"target": "side", "rounds": 7}, "LOW")
    form.close()

    other = made(client)
    other.settings.inputs["nodes"].value = 3
    other.template_input.value = next(value for _, value in other.template_input.options if value)
    other.settle()
    assert other.problem == "" and other.inputs["rounds"].value == 7
    assert other.settings.value == {**expected, "priority": "HIGH"}, "another's settings are not mixed with these"
    other.close()

    tuning = TuningForm(template="quick", space={"max_depth": "2..3"}, objective="maximize:accuracy", client=client)
    tuning.settle()
    assert tuning.settings.value == {**expected, "priority": "HIGH"} and tuning.inputs["rounds"].value == 7
    assert "Fits:" in tuning.memory.words
    tuning.close()


def test_a_tuning_learns_from_earlier_runs(client: Client, own: Training) -> None:
    options: dict[str, Any] = {"space": {"max_depth": "2..4"}, "objective": "maximize:accuracy", "trials": 2}
    form = TuningForm("xgboost", "small", "side", earlier=["own-1"], name="warm", client=client, **options)
    form.settle()
    assert form.problem == "" and form.earlier_input.value == (own.qualified_name,)
    assert f'earlier=["{own.qualified_name}"]' in form.code()
    form.submit()
    form.settle()
    assert form.tuning is not None, form.problem
    assert form.tuning.spec["earlier_trainings"] == [own.id]
    form.tuning.wait(progress=False)
    form.new_run()
    form.settle()
    offered = [value for _, value in form.earlier_input.options]
    assert f"tuning/{form.client.user}/warm" in offered
    form.close()
    again = client.tune("xgboost", name="warmer", dataset="small", target="side", earlier=["tuning/warm"], **options)
    assert again.spec["earlier_tunings"] == [client.tunings.get("warm").id]
    with pytest.raises(Invalid, match="'model/own-1' is a model; give trainings"):
        client.tune("xgboost", name="wrong", dataset="small", target="side", earlier=["model/own-1"], **options)


def test_one_trial_is_stopped_and_any_becomes_the_model(client: Client, tmp_path: Path) -> None:
    go = tmp_path / "go"
    tuning = client.tune(
        "hill",
        name="hills",
        space={"x": "-5..5"},
        objective="maximize:height",
        parameters={"go": str(go)},
        trials=3,
        parallel=2,
    )
    view = TuningView("tuning/hills", client=client)
    wait_until(lambda: "2 running" in view.counts, what="two trials run")
    view.settle()
    running = [value for _, value in view.running_input.options]
    assert len(running) == 2
    view.running_input.value = running[0]
    view.stop_trial()
    wait_until(lambda: "1 stopped" in view.counts, what="the trial has stopped")
    go.touch()
    tuning.wait(progress=False)
    wait_until(lambda: view.tuning is not None and view.tuning.has_settled(), what="the view is complete")
    view.settle()
    with pytest.raises(Invalid, match=rf"trial {running[0]} of .* has ended"):
        tuning.stop_trial(running[0])
    offered = dict(view.trial_input.options)
    assert running[0] not in offered.values() and tuning.best is not None
    assert view.trial_input.value == tuning.best["trial"]
    other = next(trial for trial in tuning.trials() if trial["number"] in offered.values() and trial != tuning.best)
    view.trial_input.value = other["number"]
    view.register_model()
    view.settle()
    assert view.model is not None and view.model.spec["training"] == other["training"]["id"], view.problem
    view.close()


def test_of_a_stopped_tuning_only_a_training_becomes_a_model(client: Client, tmp_path: Path) -> None:
    tuning = client.tune("hill", name="cut", space={"x": "-5..5"}, objective="maximize:height", trials=30, parallel=1)
    wait_until(lambda: tuning.refresh().best, what="a trial has succeeded")
    view = TuningView(tuning, client=client)
    view.settle()
    assert view.register_button.tooltip and view._register.layout.display == "none"  # pyright: ignore[reportPrivateUsage]
    view.stop_tuning()
    wait_until(lambda: view.tuning is not None and view.tuning.has_settled(), what="it is stopped")
    view.settle()
    assert tuning.refresh().status.phase == "STOPPED"
    assert view._register.layout.display == "none"  # pyright: ignore[reportPrivateUsage]
    view.register_model()
    view.settle()
    assert view.model is None and "STOPPED" in view.problem
    view.close()
    best = tuning.best
    assert best is not None
    made = client.trainings.get(best["training"]).act("register-model", name="cut")
    assert (made.kind, made.name) == ("model", "cut")


def test_a_reference_is_an_id_a_name_or_a_kind_and_a_name(client: Client, own: Training) -> None:
    for reference in ("own-1", own.qualified_name, "training/own-1", f"trainings/{own.qualified_name}", own.id):
        assert client.find(reference) == own
    assert client.find("own-1", "model").kind == "model", "the training's model has its name"
    assert client.find(own, "training") is own
    with pytest.raises(Invalid, match="'training/own-1' is a training; give a tuning"):
        client.find("training/own-1", "tuning")
    with pytest.raises(NotFound, match="there is nothing called 'never'"):
        client.find("never")


def test_progress_takes_whatever_names_a_run(client: Client, own: Training) -> None:
    for reference in ("own-1", "training/own-1", own.qualified_name, own.id, own):
        panel = Progress(reference, client=client)
        panel.join(30)
        assert "training " + own.qualified_name in panel.children[0].value and "COMPLETE" in panel.children[0].value
        panel.close()
    wrong = Progress("nothing-of-that-name", client=client)
    wrong.join(30)
    assert "there is nothing called" in wrong.children[3].value
    wrong.close()
