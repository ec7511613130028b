"""Tunings on a real platform: the search, its trials, its ends, and what survives a kill."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import optuna
import pytest

from orrery import Client
from orrery.client.failures import RunFailed
from orrery.errors import Invalid, WrongPhase
from orrery.testing.platform import RunningPlatform
from orrery.testing.processes import free_port
from orrery.testing.waiting import wait_until

#: a hill with its top at (2, 3), reported step by step
HILL = """
import argparse, pathlib, os, time
from orrery.jobs import report
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, default=0.0)
parser.add_argument("--n", type=int, default=1)
parser.add_argument("--kind", choices=["flat", "steep"], default="flat")
parser.add_argument("--extra", type=float, default=0.0)
parser.add_argument("--pause", type=float, default=0.0)
parser.add_argument("--mute", action="store_true")
a = parser.parse_args()
height = 10 - (a.x - 2) ** 2 - (a.n - 3) ** 2 - (2 if a.kind == "flat" else 0) + a.extra
if a.x > 900:
    raise SystemExit("fell off")
for step in range(1, 6):
    report.metrics({"height": height - (5 - step), "depth": -height}, step=step)
    time.sleep(a.pause)
pathlib.Path(os.environ["EM_MODEL_DIR"], "weights.bin").write_bytes(str(height).encode())
if not a.mute:
    report.result({"height": height, "cost": abs(a.x)})
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment={"ORRERY_CORES": "8"}) as running:
        yield running


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def hill(platform: RunningPlatform) -> None:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        client.algorithms.create("hill", {"hill.py": HILL.encode()})


SPACE = {"x": "-5..5", "n": "1..8", "kind": "flat,steep", "extra": "0..0.5 if kind=steep"}


def test_a_tuning_by_command_line_ends_with_its_best_trial_a_model(platform: RunningPlatform, client: Client) -> None:
    done = platform.cli(
        *("tune", "hill", "--name", "first", "--objective", "maximize:height", "--trials", "14", "--parallel", "4"),
        *(word for name, space in SPACE.items() for word in ("--space", f"{name}={space}")),
        *("--seed", "7", "--tag", "hills", "--wait"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MaxTrialsReached: 14 of 14 trials are done" in done.stderr
    tuning = client.tunings.get("first")
    assert (tuning.status.phase, tuning.status.reason) == ("COMPLETE", "MaxTrialsReached")
    assert tuning.status.outputs["trials"] == {
        **{"completed": 14, "running": 0, "waiting": 0, "failed": 0, "early_stopped": 0, "killed": 0, "total": 14}
    }
    trials = tuning.trials()
    assert [trial["number"] for trial in trials] == list(range(14))
    assert {trial["status"] for trial in trials} == {"SUCCEEDED"}
    for trial in trials:
        chosen = trial["parameters"]
        assert ("extra" in chosen) == (chosen["kind"] == "steep"), "the condition holds"
        training = client.trainings.get(trial["training"]["id"])
        assert training.spec["parameters"] == chosen
        assert training.spec["trial"] == {"tuning": tuning.id, "number": trial["number"]}
        assert (training.tags, training.metrics["height"]) == (("hills",), trial["targets"][0])
    best = max(trials, key=lambda trial: trial["targets"][0])
    assert tuning.best is not None
    assert (tuning.best["trial"], tuning.best["parameters"]) == (best["number"], best["parameters"])
    assert tuning.trials(order="-target")[0]["number"] == best["number"]
    assert f"{best['targets'][0]:.6g}" in done.stdout

    shares = tuning.importances()["height"]
    assert sum(shares.values()) == pytest.approx(1.0)
    assert not list(client.models.list(name="first")), "trials register no models"
    model = tuning.register_model()
    assert (model.name, model.spec["training"]) == ("first", tuning.best["training"])

    # the same study in Optuna's own hands
    study = tuning.study()
    assert (study.best_value, study.best_trial.number) == (best["targets"][0], best["number"])


def test_the_same_seed_searches_alike_and_as_optuna_does(client: Client) -> None:
    options: dict[str, Any] = {"space": SPACE, "objective": "maximize:height", "trials": 12, "parallel": 1, "seed": 11}
    ours = [
        [trial["parameters"] for trial in client.tune("hill", name=name, wait=True, **options).trials()]
        for name in ("seed-a", "seed-b")
    ]

    def height(trial: optuna.Trial) -> float:
        x, n = trial.suggest_float("x", -5, 5), trial.suggest_int("n", 1, 8)
        kind = trial.suggest_categorical("kind", ["flat", "steep"])
        extra = trial.suggest_float("extra", 0, 0.5) if kind == "steep" else 0.0
        return 10 - (x - 2) ** 2 - (n - 3) ** 2 - (2 if kind == "flat" else 0) + extra

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=11))
    study.optimize(height, n_trials=12)
    assert ours[0] == ours[1] == [trial.params for trial in study.trials]


def test_the_goal_ends_it_and_what_still_runs_is_stopped(client: Client) -> None:
    tuning = client.tune(
        "hill",
        name="goal",
        space={"x": "0,1,2"},
        parameters={"n": 3, "kind": "steep", "pause": 0.05},
        objective="maximize:height",
        trials=50,
        parallel=4,
        goal=9.9,
        wait=True,
    )
    assert (tuning.status.phase, tuning.status.reason) == ("COMPLETE", "GoalReached")
    assert "goal 9.9" in tuning.status.message
    statuses = Counter(trial["status"] for trial in tuning.trials())
    assert statuses["SUCCEEDED"] >= 1
    assert set(statuses) <= {"SUCCEEDED", "KILLED"}
    # it would end at once
    with pytest.raises(Invalid, match="would end at once"):
        tuning.start()
    tuning.update(goal_value=None, max_trials=len(tuning.trials()) + 1)
    tuning.start()
    tuning.wait(progress=False)
    assert tuning.status.reason == "MaxTrialsReached"


def test_a_grid_ends_when_every_combination_has_been_tried(client: Client) -> None:
    tuning = client.tune(
        "hill",
        name="grid",
        space={"n": "1..5:2", "kind": "flat,steep", "extra": "0..0.2:0.1 if kind=steep"},
        objective="maximize:height",
        sampler="grid",
        trials=100,
        parallel=8,
        wait=True,
    )
    assert (tuning.status.phase, tuning.status.reason) == ("COMPLETE", "SuggestionEndReached")
    tried = [tuple(sorted(trial["parameters"].items())) for trial in tuning.trials()]
    assert len(tried) == len(set(tried)) == 3 * (1 + 3)
    with pytest.raises(Invalid, match="all 12 combinations"):
        tuning.start()


def test_failures_are_borne_up_to_a_number_and_forgiven_by_a_retry(client: Client) -> None:
    with pytest.raises(RunFailed, match=r"3 trainings failed \(max_failed is 2\); doomed-\d: [^!]*fell off"):
        client.tune(
            "hill",
            name="doomed",
            space={"x": "901..999"},
            objective="maximize:height",
            trials=20,
            parallel=1,
            max_failed=2,
            wait=True,
        )
    tuning = client.tunings.get("doomed")
    assert tuning.status.phase == "FAIL_HYPERPARAMETER_TUNING"
    assert [trial["status"] for trial in tuning.trials()] == ["FAILED"] * 3
    with pytest.raises(WrongPhase):
        tuning.register_model()
    tuning.retry()
    with pytest.raises(RunFailed, match="3 trainings failed"):
        tuning.wait(progress=False)
    assert len(tuning.trials()) == 6


def test_a_metric_that_is_never_told_counts_as_a_failure(client: Client) -> None:
    with pytest.raises(RunFailed, match="completed without telling weight"):
        client.tune(
            "hill", name="mute", space={"n": "1..8"}, objective="minimize:weight", trials=3, max_failed=0, wait=True
        )
    assert {trial["status"] for trial in client.tunings.get("mute").trials()} <= {"METRICS_UNAVAILABLE", "KILLED"}
    # as many as are borne, and none of them with a value: that is no success
    with pytest.raises(
        RunFailed, match=r"none of its 2 trainings told a finite value of weight.*completed without telling"
    ):
        client.tune(
            "hill", name="mute-all", space={"n": "1..8"}, objective="minimize:weight", trials=2, max_failed=2, wait=True
        )
    # the last value of its history will do where it has no result
    tuning = client.tune(
        "hill",
        name="history",
        space={"n": "1..8"},
        parameters={"mute": True},
        objective="maximize:height",
        trials=2,
        wait=True,
    )
    assert {trial["status"] for trial in tuning.trials()} == {"SUCCEEDED"}


@pytest.mark.parametrize("watched", [None, "minimize:depth"])
def test_trials_that_do_badly_are_stopped_early(client: Client, watched: str | None) -> None:
    tuning = client.tune(
        "hill",
        name=f"median-{'other' if watched else 'same'}",
        space={"x": "-5..5"},
        parameters={"n": 3, "pause": 0.6},
        objective="maximize:height",
        trials=12,
        parallel=3,
        seed=5,
        sampler="random",
        early_stop="median",
        early_stop_metric=watched,
        min_trials=3,
        start_step=1,
        wait=True,
    )
    statuses = Counter(trial["status"] for trial in tuning.trials())
    assert statuses["EARLY_STOPPED"] >= 1, statuses
    assert statuses["EARLY_STOPPED"] + statuses["SUCCEEDED"] == 12
    assert tuning.status.outputs["trials"]["early_stopped"] == statuses["EARLY_STOPPED"]
    stopped = next(trial for trial in tuning.trials() if trial["status"] == "EARLY_STOPPED")
    assert stopped["training"]["phase"] == "STOPPED"
    # what it stood at, which is not what it would have come to
    told = client.trainings.get(stopped["training"]["id"]).metrics_history()["height"]
    assert stopped["targets"] == [told[-1].value]
    assert stopped["is_final"] is False
    by_target = tuning.trials(order="-target")
    assert [trial["is_final"] for trial in by_target] == [True] * statuses["SUCCEEDED"] + [False] * (
        12 - statuses["SUCCEEDED"]
    )
    assert tuning.best is not None and tuning.best["trial"] == by_target[0]["number"]
    study = tuning.study()
    assert sum(t.state is optuna.trial.TrialState.PRUNED for t in study.trials) == statuses["EARLY_STOPPED"]


def test_several_objectives_have_a_front(client: Client) -> None:
    tuning = client.tune(
        "hill",
        name="two",
        space={"x": "-3..3:1"},
        parameters={"n": 3, "kind": "steep"},
        objective=["maximize:height", "minimize:cost"],
        sampler="grid",
        trials=7,
        parallel=4,
        wait=True,
    )
    assert tuning.best is None
    # from the cheapest to the highest
    assert sorted(point["parameters"]["x"] for point in tuning.front) == [0.0, 1.0, 2.0]
    with pytest.raises(Invalid, match="trial=NUMBER"):
        tuning.register_model()
    chosen = next(point for point in tuning.front if point["parameters"]["x"] == 1.0)
    assert tuning.register_model("middle", trial=chosen["trial"]).spec["training"] == chosen["training"]


def test_an_earlier_training_that_teaches_nothing_is_refused_with_the_reason(client: Client) -> None:
    client.algorithms.create("flat", {"flat.py": b"from orrery.jobs import report; report.result({'height': 1.0})"})
    client.train("flat", name="flat-1", register_model=False, wait=True)
    client.train("hill", name="muted", parameters={"x": 1, "mute": True}, wait=True)
    options: dict[str, Any] = {"space": {"x": "0..5"}, "name": "refused"}
    with pytest.raises(Invalid, match="flat-1 ran another algorithm and was given no value of x: leave it out"):
        client.tune("hill", objective="maximize:height", earlier=["flat-1"], **options)
    with pytest.raises(Invalid, match="muted has no cost: leave it out"):
        client.tune("hill", objective="minimize:cost", earlier=["training/muted"], **options)


def test_a_search_knows_earlier_runs(client: Client) -> None:
    earlier = client.tune(
        "hill", name="earlier", space={"x": "0,1,2,3"}, objective="maximize:height", sampler="grid", wait=True, trials=4
    )
    alone = client.train("hill", name="alone", parameters={"x": 4.0}, register_model=False, wait=True)
    tuning = client.tune(
        "hill",
        name="later",
        space={"x": "0,1,2,3,4"},
        objective="maximize:height",
        trials=2,
        earlier=[f"tuning/{earlier.name}", alone],
        wait=True,
    )
    # a name alone is a training's
    with pytest.raises(
        Invalid, match=r"training 'earlier' does not exist.*name it as an earlier tuning .'tuning/earlier'"
    ):
        client.tune("hill", name="refused", space={"x": "0,1"}, objective="maximize:height", earlier=["earlier"])
    assert tuning.status.outputs["earlier"] == 5
    assert [trial["number"] for trial in tuning.trials()] == [5, 6]
    assert len(tuning.study().trials) == 7


def test_optuna_dashboard_opens_the_study(client: Client, tmp_path: Path) -> None:
    tuning = client.tunings.get("grid")
    journal = tuning.download_study(tmp_path)
    port = free_port()
    command = [str(Path(sys.executable).with_name("optuna-dashboard")), str(journal), "--port", str(port)]
    with (tmp_path / "dashboard.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as dashboard:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/", timeout=60) as api:
                wait_until(lambda: _answers(api), what="optuna-dashboard")
                (study,) = api.get("studies").json()["study_summaries"]
                assert study["study_name"] == tuning.id
                shown = api.get(f"studies/{study['study_id']}").json()["trials"]
        finally:
            dashboard.terminate()
    assert {trial["number"]: trial["values"] for trial in shown} == {
        trial["number"]: trial["targets"] for trial in tuning.trials()
    }


def _answers(api: httpx.Client) -> bool:
    try:
        return api.get("studies").status_code == 200
    except httpx.TransportError:
        return False


def test_it_is_stopped_goes_on_and_a_trial_is_stopped_alone(client: Client) -> None:
    tuning = client.tune(
        "hill",
        name="halting",
        space={"x": "-5..5"},
        parameters={"pause": 0.6},
        objective="maximize:height",
        trials=5,
        parallel=2,
    )

    def running() -> list[Any]:
        return [trial for trial in tuning.trials() if (trial["training"] or {}).get("phase") == "RUNNING"]

    wait_until(lambda: len(running()) == 2, what="two running trials")
    alone = running()[0]
    client.trainings.get(alone["training"]["id"]).stop()
    wait_until(lambda: tuning.trials()[alone["number"]]["status"] == "KILLED", what="the stopped trial")
    tuning.stop()
    wait_until(lambda: tuning.refresh().status.phase == "STOPPED", what="the tuning's stop")
    assert not [trial for trial in tuning.trials() if trial["status"] in ("CREATED", "RUNNING")]
    begun = len(tuning.trials())
    assert begun < 5
    tuning.start()
    tuning.wait(progress=False)
    assert len(tuning.trials()) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": {"m": "1..3"}}, "there is no parameter 'm'; this algorithm takes: x, n"),
        ({"space": {"n": "1.5..3"}}, "whole number"),
        ({"space": {"kind": "flat,round"}}, "must be one of 'flat', 'steep'"),
        ({"space": {"kind": "1..3"}}, "list the values"),
        ({"space": {"x": "3..1"}}, "above high"),
        ({"space": {"x": "-5..5"}, "sampler": "grid"}, "needs a step"),
        ({"space": {"x": "log:0..5"}}, "begins above 0"),
        ({"space": {"x": "0..5 if kind=flat"}}, "is not searched"),
        ({"space": {"x": "0..5"}, "parameters": {"x": 1}}, "keep one of the two"),
        ({"objective": "height"}, "write maximize:METRIC"),
        ({"objective": ["maximize:height", "minimize:cost"], "early_stop": "median"}, "single objective"),
        ({"space": {"kind": "flat,steep"}, "sampler": "cma-es"}, "kind is a choice: take tpe, random or grid"),
        ({"start_step": 3}, "start_step is 3, and no training is stopped early: set early_stop"),
        ({"early_stop_metric": "depth"}, "early_stop_metric is 'depth', and no training is stopped early"),
        ({"space": {"x": "a lot"}, "objective": "maximize:height"}, "must be a number"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_the_remedy(
    client: Client, changes: dict[str, Any], message: str
) -> None:
    options: dict[str, Any] = {"space": {"x": "0..5"}, "objective": "maximize:height", **changes}
    with pytest.raises(Invalid, match=message):
        client.tune("hill", name="refused", **options)


def test_a_trial_cannot_be_claimed_by_hand_and_a_copy_is_none(client: Client) -> None:
    tuning = client.tunings.get("grid")
    with pytest.raises(Invalid, match="filled in by the platform"):
        client.transport.json(
            "POST",
            "/trainings",
            body={"name": "false", "spec": {"algorithm": "hill", "trial": {"tuning": tuning.id, "number": 0}}},
        )
    trial = client.trainings.get(tuning.trials()[0]["training"]["id"])
    assert trial.copy("copied").spec["trial"] is None


def test_built_in_algorithms_say_what_they_emit(client: Client) -> None:
    with pytest.raises(Invalid, match="emits no 'height'; it emits roc_auc"):
        client.tune("xgboost", name="wrong", space={"max_depth": "2..8"}, objective="maximize:height")


def test_a_kill_of_the_platform_neither_loses_nor_repeats_a_trial(tmp_path: Path) -> None:
    """`kill -9` of the platform, and with it of the search, twenty times while a tuning runs."""
    with RunningPlatform(tmp_path / "home", environment={"ORRERY_CORES": "8"}) as platform:
        found = platform.announcement
        with Client(found["url"], found["token"]) as client:
            client.algorithms.create("hill", {"hill.py": HILL.encode()})
            tuning = client.tune(
                "hill", name="tough", space=SPACE, objective="maximize:height", trials=100, parallel=4, seed=3
            )
        for kill in range(20):
            began = _finished(platform)
            wait_until(lambda began=began: _finished(platform) > began or _has_ended(platform), what="another trial")
            if _has_ended(platform):
                pytest.fail(f"it ended after {kill} kills; give it more trials")
            platform.kill()
            platform.start()
        found = platform.announcement
        with Client(found["url"], found["token"]) as client:
            tuning = client.tunings.get("tough").wait(progress=False)
            assert tuning.status.reason == "MaxTrialsReached"
            trials = tuning.trials()
            assert len(trials) == 100
            assert Counter(trial["status"] for trial in trials)["SUCCEEDED"] == 100
            trainings = list(client.trainings.list())
            assert len(trainings) == 100
            assert sorted(training.spec["trial"]["number"] for training in trainings) == [
                trial["number"] for trial in trials
            ]
            assert {training.status.outputs["attempt"] for training in trainings} == {1}
            points = [tuple(sorted(trial["parameters"].items())) for trial in trials]
            assert len(set(points)) == 100, "nothing was suggested twice"
            study = tuning.study()
            complete = [t for t in study.trials if t.state is optuna.trial.TrialState.COMPLETE]
            assert sorted(t.number for t in complete) == [trial["number"] for trial in trials]


def _finished(platform: RunningPlatform) -> int:
    with platform.client() as client:
        return int(client.get("tunings/tough").json()["status"]["outputs"].get("trials", {}).get("completed", 0))


def _has_ended(platform: RunningPlatform) -> bool:
    with platform.client() as client:
        return client.get("tunings/tough").json()["status"]["phase"] == "COMPLETE"
