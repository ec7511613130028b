"""A trial's training is made exactly once, wherever the platform is killed, and whatever it is called then."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orrery.api.assembly import Assembly, assemble
from orrery.controllers.contract import Changes, Controller, NewResource, Outcome
from orrery.controllers.engine import Engine
from orrery.controllers.lost_trials import MOST_RUNS_AGAIN
from orrery.controllers.settings import Settings
from orrery.controllers.trainings import TrainingController
from orrery.domain.access import User
from orrery.domain.catalogue import KINDS
from orrery.domain.records import Json, Record
from orrery.domain.trainings import TRAINING
from orrery.domain.tunings import TrialStatus
from orrery.errors import Invalid
from orrery.store.metrics import Point
from orrery.store.trials import Trial, TrialStore

ANN = User("ann")
SPEC: Json = {
    "algorithm": "hill",
    "space": {"x": {"low": 0.0, "high": 1.0}},
    "objectives": ["maximize:height"],
    "sampler": "random",
    "seed": 1,
    "max_trials": 1,
    "parallel": 1,
}


class Killed(BaseException):
    """Nothing after this line is done."""


class KilledOnce(TrialStore):
    """Killed before its first trial is noted, when its training has been made."""

    was_killed = False

    def add(self, trial: Trial) -> None:
        if not self.was_killed:
            self.was_killed = True
            raise Killed
        super().add(trial)


class Starts(Controller):
    """Sees each training begin, and nothing more."""

    kind = TRAINING

    def __init__(self, trainings: TrainingController) -> None:
        self.trainings = trainings

    def reconcile(self, record: Record) -> Outcome:
        return Outcome(event="started", again_in_seconds=600.0)

    def watchers(self, record: Record) -> list[str]:
        return self.trainings.watchers(record)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.assembly: Assembly = assemble(Settings(home=folder / "home"))
        self.store = self.assembly.platform.store
        code = b"import argparse\np = argparse.ArgumentParser()\np.add_argument('--x', type=float)\np.parse_args()\n"
        stored = self.assembly.platform.objects.put(io.BytesIO(code))
        files = [{"path": "hill.py", "oid": stored.oid, "size": stored.size}]
        algorithm = self.create("algorithm", "hill", {"files": files})
        self.store.update(algorithm.id, lambda fresh: replace(fresh, phase="ACTIVE"))
        self.tunings = self.assembly.tunings
        self.tunings.trials = KilledOnce(self.store.database)
        self.engine = Engine(self.store, {"tuning": self.tunings})

    def create(self, kind: str, name: str, spec: Json) -> Record:
        new = NewResource(name=name, spec=spec)
        return self.assembly.commands.create(ANN, KINDS.named(kind), new, by_platform=True)

    def move(self) -> None:
        """Until no tuning is due, or the platform is killed."""
        while due := self.store.leases.take_due(100, timedelta(minutes=5)):
            for lease in due:
                if lease.record.kind == "tuning":
                    try:
                        self.engine.take_turn(lease)
                    except Killed:
                        # as the next platform does when it starts
                        self.store.leases.release()
                        return

    def trainings(self, tuning: Record) -> list[str]:
        return [other.name for other in self.store.dependents(tuning.id) if other.kind == "training"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.tunings.studies.close()
    made.assembly.algorithms.fetches.close()
    made.store.database.close()


def test_a_trial_whose_name_was_taken_is_made_once_though_the_platform_is_killed(bench: Bench) -> None:
    bench.create("training", "search-0", {"algorithm": "hill"})
    tuning = bench.create("tuning", "search", SPEC)
    bench.move()
    assert bench.tunings.trials.list(tuning.id) == []
    made = bench.trainings(tuning)
    assert made == [f"search-0-{tuning.id[-6:]}"]
    bench.move()
    record = bench.store.get(tuning.id)
    assert (record.phase, record.message, record.attempts) == ("RUNNING", "", 0)
    assert bench.trainings(tuning) == made
    assert len(bench.tunings.trials.list(tuning.id)) == 1


def test_a_trial_is_made_once_though_its_tuning_is_renamed_after_a_kill(bench: Bench) -> None:
    tuning = bench.create("tuning", "search", SPEC)
    bench.move()
    assert bench.trainings(tuning) == ["search-0"]
    bench.assembly.commands.patch(ANN, bench.store.get(tuning.id), Changes(name="other"))
    bench.move()
    assert bench.store.get(tuning.id).attempts == 0
    assert bench.trainings(tuning) == ["search-0"]
    assert len(bench.tunings.trials.list(tuning.id)) == 1


def lose(bench: Bench, tuning: Record, **internal: Any) -> Record:
    """Its only training ends as one does whose machine restarted."""
    (training,) = [other for other in bench.store.dependents(tuning.id) if other.kind == "training"]
    outputs = {**training.outputs, "exit_reason": "LOST"}
    return bench.store.update(
        training.id,
        lambda fresh: replace(
            fresh,
            phase="FAIL_TRAIN",
            reason="lost",
            message="the machine restarted while it ran; start it again",
            outputs=outputs,
            internal={**fresh.internal, **internal},
        ),
    )


def look(bench: Bench, tuning: Record) -> tuple[Record, Trial]:
    """The tuning and its only trial after the next looks."""
    bench.store.leases.wake(tuning.id)
    bench.move()
    (trial,) = bench.tunings.trials.list(tuning.id)
    return bench.store.get(tuning.id), trial


def test_a_lost_trial_is_run_again_and_fails_when_it_is_lost_too_often(bench: Bench) -> None:
    tuning = bench.create("tuning", "search", {**SPEC, "max_failed": 0})
    bench.move()
    _, begun = look(bench, tuning)
    for number in range(1, MOST_RUNS_AGAIN + 1):
        training = lose(bench, tuning)
        record, trial = look(bench, tuning)
        assert (record.phase, trial.status) == ("RUNNING", TrialStatus.CREATED)
        assert (trial.number, trial.parameters, trial.training_id) == (0, begun.parameters, training.id)
        again = bench.store.get(training.id)
        assert (again.phase, again.spec) == ("CREATE_REQUESTED", training.spec)
        assert again.message == f"run again ({number} of 3): {training.message}"
    lose(bench, tuning)
    record, trial = look(bench, tuning)
    assert (record.phase, trial.status) == ("FAIL_HYPERPARAMETER_TUNING", TrialStatus.FAILED)
    assert record.message == (
        "1 trainings failed (max_failed is 0); search-0: the machine restarted while it ran; start it again "
        "(lost 4 times; it was run again 3 times)"
    )


def test_a_trial_that_told_an_error_before_it_was_lost_has_failed(bench: Bench) -> None:
    tuning = bench.create("tuning", "search", {**SPEC, "max_failed": 0})
    bench.move()
    look(bench, tuning)
    lose(bench, tuning, error={"code": "failed", "message": "fell off", "details": {}})
    record, trial = look(bench, tuning)
    assert (record.phase, trial.status) == ("FAIL_HYPERPARAMETER_TUNING", TrialStatus.FAILED)


def test_what_is_lost_while_its_tuning_is_stopped_is_not_run_again(bench: Bench) -> None:
    tuning = bench.create("tuning", "search", {**SPEC, "max_failed": 0})
    bench.move()
    look(bench, tuning)
    training = lose(bench, tuning)
    bench.assembly.commands.act(ANN, bench.store.get(tuning.id), "stop", None)
    record, trial = look(bench, tuning)
    assert (record.phase, trial.status) == ("STOPPED", TrialStatus.KILLED)
    assert bench.store.get(training.id).phase == "FAIL_TRAIN"


@pytest.mark.parametrize(
    ("results", "history", "message", "refusal"),
    [
        (
            {"height": "NaN"},
            [],
            "told NaN as height, which cannot be compared: see what diverges",
            "told NaN as height",
        ),
        ({}, [1.0, float("-inf")], "told -Infinity as height, which cannot be compared", "told -Infinity as height"),
        ({"width": 1.0}, [], "completed without telling height", "has no height"),
    ],
)
def test_a_trial_that_told_no_number_is_told_from_one_that_told_nothing(
    bench: Bench, results: Json, history: list[float], message: str, refusal: str
) -> None:
    tuning = bench.create("tuning", "search", SPEC)
    bench.move()
    look(bench, tuning)
    (training,) = [other for other in bench.store.dependents(tuning.id) if other.kind == "training"]
    now = bench.store.clock()
    points = [Point("height", number, number, value, now) for number, value in enumerate(history)]
    bench.tunings.platform.metrics.add(training.id, 1, points)
    bench.store.update(
        training.id, lambda fresh: replace(fresh, phase="COMPLETE", outputs={**fresh.outputs, "metrics": results})
    )
    record, trial = look(bench, tuning)
    assert (record.phase, trial.status) == ("FAIL_HYPERPARAMETER_TUNING", TrialStatus.METRICS_UNAVAILABLE)
    assert record.message.startswith(f"none of its 1 trainings told a finite value of height; search-0 {message}")
    with pytest.raises(Invalid, match=refusal):
        bench.create("tuning", "later", {**SPEC, "earlier_trainings": [training.id]})


def test_a_trial_that_waits_is_not_told_as_running_and_is_told_once_it_runs(bench: Bench) -> None:
    tuning = bench.create("tuning", "search", SPEC)
    bench.move()
    record, trial = look(bench, tuning)

    def counted(record: Record) -> tuple[int, int]:
        told = record.outputs["trials"]
        return told["running"], told["waiting"]

    assert (trial.status, counted(record)) == (TrialStatus.CREATED, (0, 1))
    bench.store.leases.release()
    training = bench.store.update(trial.training_id, lambda fresh: replace(fresh, phase="CREATE_IN_PROGRESS"))
    engine = Engine(bench.store, {"training": Starts(bench.tunings.trainings)})
    leases = {lease.record.id: lease for lease in bench.store.leases.take_due(100, timedelta(minutes=5))}
    # nothing but that it began brings its tuning forward
    assert tuning.id not in leases
    engine.take_turn(leases[training.id])
    bench.move()
    (trial,) = bench.tunings.trials.list(tuning.id)
    assert (trial.status, counted(bench.store.get(tuning.id))) == (TrialStatus.RUNNING, (1, 0))
