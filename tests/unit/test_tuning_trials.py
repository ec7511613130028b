"""A trial's training is made exactly once, wherever the platform is killed, and whatever it is called then."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orrery.api.assembly import Assembly, assemble
from orrery.controllers.contract import Changes, NewResource
from orrery.controllers.engine import Engine
from orrery.controllers.settings import Settings
from orrery.domain.access import User
from orrery.domain.catalogue import KINDS
from orrery.domain.records import Json, Record
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
