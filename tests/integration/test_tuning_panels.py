"""The panels of tunings as a notebook's kernel has them, on a real platform that is killed meanwhile."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import orrery
from orrery.client import Client, Tuning
from orrery.client.transport import Patience
from orrery.testing.platform import RunningPlatform
from orrery.testing.processes import free_port
from orrery.testing.waiting import wait_until
from orrery_widgets import TuningForm, TuningView

#: a hill with its top at (2, 3); with `--go`, each trial waits for a file
HILL = """
import argparse, pathlib, os, time
from orrery.jobs import report
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, default=0.0)
parser.add_argument("--n", type=int, default=1)
parser.add_argument("--kind", choices=["flat", "steep"], default="flat")
parser.add_argument("--go", default="")
a = parser.parse_args()
while a.go and not pathlib.Path(a.go).exists():
    time.sleep(0.05)
height = 10 - (a.x - 2) ** 2 - (a.n - 3) ** 2 - (2 if a.kind == "flat" else 0)
if a.x > 900:
    raise SystemExit("fell off")
pathlib.Path(os.environ["EM_MODEL_DIR"], "weights.bin").write_bytes(str(height).encode())
report.result({"height": height, "cost": abs(a.x)})
"""
SPACE = {"x": "-5..5", "n": "1..8", "kind": "flat,steep"}


@pytest.fixture(scope="module")
def platform() -> Iterator[RunningPlatform]:
    home = Path(tempfile.mkdtemp(prefix="orrery-"))
    with RunningPlatform(home, environment={"ORRERY_CORES": "4"}, port=free_port()) as running:
        yield running
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def client(platform: RunningPlatform) -> Iterator[Client]:
    with orrery.Client(platform.url, platform.announcement["token"]) as client:
        table = pd.DataFrame({"width": [1.0, 2.0, 3.0, 4.0] * 20, "species": ["iris", "rose"] * 40})
        client.datasets.create("flowers", {"flowers.csv": table}, publish=True, progress=False)
        client.algorithms.create("hill", {"hill.py": HILL.encode()}, metrics={"cost": "", "height": ""})
        yield client


@pytest.fixture
def form(client: Client) -> Iterator[TuningForm]:
    panel = TuningForm(
        *("xgboost", "flowers", "species"),
        space={"max_depth": "2..8", "learning_rate": "log:0.01..0.3"},
        objective="maximize:accuracy",
        trials=4,
        client=client,
    )
    panel.settle()
    yield panel
    panel.close()


def laid_out(form: TuningForm) -> list[str]:
    """The parameters whose fixed values can be entered."""
    boxes = [box for box in form.body.children[0].children if hasattr(box, "children")]
    return [entry.field.name for box in boxes for entry in box.children if getattr(entry, "field", None) is not None]


def test_what_is_searched_has_a_row_and_no_fixed_value(form: TuningForm) -> None:
    assert form.problem == "" and form.name_input.value == "flowers-tuning-1"
    depth = form.space.rows["max_depth"]
    assert (depth.how_input.value, depth.low_input.value, depth.high_input.value) == ("range", "2", "8")
    assert form.space.rows["learning_rate"].log_input.value is True
    assert "target" in laid_out(form) and not {"max_depth", "learning_rate"} & set(laid_out(form))
    offered = [name for name, _ in form.space.choice_input.options]
    assert "rounds" in offered and "max_depth" not in offered
    assert "target" not in offered, "a column is no hyperparameter"
    assert "Each of 2 trainings at a time holds 1 core" in form.cost

    form.space.choice_input.value = "class_weight"
    form.space.add_button.click()
    weights = form.space.rows["class_weight"]
    assert len(weights.values_input.value) == len(weights.values_input.options), "of choices all are tried"
    weights.values_input.value = weights.values_input.value[:1]
    weights.when_input.value = "max_depth=3"
    form.space.remove("max_depth")
    assert "max_depth" in laid_out(form), "what is searched no more has a fixed value again"
    assert weights.when_input.value == "", "nothing depends on what is not searched"

    # another algorithm: what it does not know is searched no more
    form.algorithm_input.value = "orrery/logistic-regression"
    form.settle()
    assert "learning_rate" not in form.space.rows
    form.algorithm_input.value = "orrery/xgboost"
    form.settle()


def test_refusals_stand_at_their_fields_in_the_platforms_words(form: TuningForm, client: Client) -> None:
    form.space.rows["max_depth"].low_input.value = "wide"
    form.submit()
    form.settle()
    assert "low is &#x27;wide&#x27;; write a number" in form.space.rows["max_depth"].fault
    form.space.rows["max_depth"].low_input.value = "9"
    form.objectives.rows[0].metric_input.value = ""
    form.search["trials"].value = 0
    form.name_input.value = "not a name"
    form.submit()
    form.settle()
    assert form.problem == "" and form.tuning is None
    assert "low (9) is above high (8); exchange them" in form.space.rows["max_depth"].fault
    assert "write maximize:METRIC" in form.objectives.rows[0].fault
    assert "1" in form.search["trials"].fault
    form.space.rows["max_depth"].low_input.value = "2"
    form.objectives.rows[0].metric_input.value = "accuracy"
    form.search["trials"].value = 4
    assert form.space.rows["max_depth"].fault == form.objectives.rows[0].fault == form.search["trials"].fault == ""
    form.submit()
    form.settle()
    assert "1 to 63 letters" in form.fault_of("name")
    form.name_input.value = "deep"
    form.space.rows["max_depth"].high_input.value = "50"
    form.submit()
    form.settle()
    assert "it must be a whole number from 1 to 20" in form.space.rows["max_depth"].fault
    for name in form.space.names:
        form.space.remove(name)
    form.submit()
    form.settle()
    assert form.space.fault != "" and list(client.tunings.list(q="deep")) == []


def test_the_call_that_a_form_shows_does_the_same(client: Client) -> None:
    space = {"x": "-5..5", "n": {"low": 1, "high": 7, "step": 2, "when": {"kind": ["steep"]}}, "kind": "flat,steep"}
    form = TuningForm(
        *("hill", "flowers"),
        space=space,
        objective=["maximize:height", "minimize:cost"],
        sampler="random",
        seed=3,
        trials=3,
        parallel=1,
        name="by-code",
        client=client,
    )
    form.settle()
    text = form.code()
    assert '"n": "1..7:2 if kind=steep"' in text and 'sampler="random"' in text, text
    names: dict[str, Any] = {"token": client.transport.platform.token}
    exec(text.replace("orrery.Client()", f"orrery.Client({client.url!r}, token)"), names)
    names["client"].close()
    made = client.tunings.get("by-code").wait(progress=False)
    assert made.spec["space"]["n"]["when"] == {"kind": ["steep"]} and made.spec["space"]["n"]["high"] == 7
    assert (made.spec["max_trials"], made.spec["parallel"], made.spec["seed"]) == (3, 1, 3)

    view = TuningView("by-code", client=client)
    view.settle()
    assert view.best.count("<tr>") == 1 + len(made.front), "of several objectives, all that no other beats"
    view.objective_input.value = 1
    view.settle()
    assert "aria-label='cost: " in view.history
    view.trial_input.value = made.front[-1]["trial"]
    view.register_model()
    view.settle()
    assert view.problem == "" and view.model is not None
    assert view.model.spec["training"] == made.front[-1]["training"]
    view.close()
    form.close()


def test_the_form_becomes_the_tuning_that_its_key_finds_again(client: Client) -> None:
    options: dict[str, Any] = {"space": SPACE, "objective": "maximize:height", "trials": 12, "parallel": 3, "seed": 5}
    form = TuningForm("hill", "flowers", key="hills", name="hills", client=client, **options)
    form.settle()
    form.submit()
    form.settle()
    assert form.view is not None and form.tuning is not None, form.problem
    view = form.view
    wait_until(lambda: view.tuning is not None and view.tuning.status.phase == "COMPLETE", what="the view is complete")
    view.settle()
    tuning = client.tunings.get("hills")
    assert "12 of 12 trials: 12 completed" in view.counts
    assert tuning.best is not None and f"<td class='orrw-number'>{tuning.best['value']:.4g}</td>" in view.best
    assert view.history.count("<circle") == 12 + 1 and view.history.count("<polyline") == 1
    assert set(tuning.importances()["height"]) == set(SPACE)
    assert all(f"orrw-bar-name'>{name}<" in view.importances for name in SPACE)

    view.order_input.value = "target:0"
    view.settle()
    assert view.table.index("(best)") < view.table.index("</tr>", view.table.index("<tbody>")), "the best comes first"
    assert view.table.count("<tr>") == 1 + 10
    view.turn_to(1)
    view.settle()
    assert view.table.count("<tr>") == 1 + 2 and "(best)" not in view.table

    view.name_input.value = "not a name"
    view.register_model()
    view.settle()
    assert "1 to 63 letters" in view.name_fault and view.problem == ""
    view.name_input.value = ""
    view.register_model()
    view.settle()
    assert view.model is not None and view.model.name == "hills"
    assert view.model.spec["training"] == tuning.best["training"] and "/hills@1 is registered" in view.status
    view.deploy()
    assert view.deployment is not None
    view.deployment.settle()
    assert view.deployment.model_input.value == view.model.id, view.deployment.problem

    again = TuningForm(key="hills", client=client)
    again.settle()
    assert again.tuning == tuning, "a new kernel finds it by its key"
    again.new_run()
    again.settle()
    assert again.tuning is None and again.name_input.value == "flowers-tuning-1", again.problem
    again.close()
    form.close()


def test_a_view_goes_on_when_the_platform_was_killed(client: Client, platform: RunningPlatform, tmp_path: Path) -> None:
    go = tmp_path / "go"
    tuning = begin(client, "survives", go, trials=4, parallel=2)
    hurried = orrery.Client(
        client.url, client.transport.platform.token, patience=Patience(refused_seconds=0.1, away_seconds=0.1)
    )
    view = TuningView(tuning.id, client=hurried)
    wait_until(lambda: "2 running" in view.counts, what="two trials run")
    platform.kill()
    view.stop_tuning()
    view.settle()
    assert "the platform is not running just now" in view.problem, "nothing was stopped"
    platform.start()
    go.touch()
    wait_until(lambda: "4 of 4 trials: 4 completed" in view.counts, seconds=90, what="the view has followed")
    view.settle()
    assert view.problem == "" and [trial.number for trial in view.trials] == [0, 1, 2, 3]
    view.close()
    hurried.close()


def test_a_tuning_is_stopped_and_goes_on(client: Client, tmp_path: Path) -> None:
    go = tmp_path / "go"
    tuning = begin(client, "stopped", go, trials=3, parallel=1)
    view = TuningView(tuning, client=client)
    wait_until(lambda: "1 running" in view.counts, what="a trial runs")
    view.stop_tuning()
    wait_until(lambda: view.tuning is not None and view.tuning.status.phase == "STOPPED", what="it is stopped")
    view.settle()
    assert "1 stopped" in view.counts
    go.touch()
    view.go_on()
    wait_until(lambda: view.tuning is not None and view.tuning.status.phase == "COMPLETE", what="it has gone on")
    view.settle()
    assert client.tunings.get("stopped").status.outputs["trials"]["completed"] >= 2
    view.close()


def begin(client: Client, name: str, go: Path, **options: Any) -> Tuning:
    """A tuning whose trials wait for the file `go`."""
    return client.tune(
        "hill", name=name, space={"x": "-5..5"}, objective="maximize:height", parameters={"go": str(go)}, **options
    )


def test_a_view_without_a_tuning_offers_a_choice(client: Client) -> None:
    view = TuningView(client=client)
    wait_until(lambda: view.tuning, what="the newest is open")
    names = [label for label, _ in view.tuning_input.options]
    assert any("/hills (COMPLETE)" in name for name in names)
    view.tuning_input.value = client.tunings.get("hills").id
    view.settle()
    assert view.tuning is not None and view.tuning.name == "hills" and "12 completed" in view.counts
    view.close()
