"""What the platform removes by itself, once its time has come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orrery.api.assembly import Assembly, assemble
from orrery.controllers.contract import NewResource, Platform
from orrery.controllers.experiments import ExperimentController
from orrery.controllers.settings import Settings
from orrery.domain.access import User
from orrery.domain.experiments import EXPERIMENT
from orrery.domain.ids import make_id
from orrery.domain.records import Record
from orrery.errors import Unavailable
from orrery.executors.contract import CommandProgram, JobPhase, JobSpec, Resources
from orrery.store.metrics import Point
from orrery.testing.waiting import wait_until


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Assembly]:
    """A platform whose executor runs; nothing else moves by itself."""
    made = assemble(Settings(home=tmp_path / "h", tensorboard_days=120))
    made.platform.executor.start()
    yield made
    made.platform.executor.close()
    made.platform.store.database.close()


def run(platform: Assembly, kind: str, prefix: str) -> str:
    """A resource with an ended job that wrote a TensorBoard log and something else; the job's id."""
    now = platform.platform.store.clock()
    record = Record(make_id(prefix), kind, "alice", kind, 0, {}, "COMPLETE", created_at=now, updated_at=now)
    platform.platform.store.create(record, ())
    job = f"{record.id}-1"
    script = "mkdir -p tensorboard output; echo log > tensorboard/events.out.tfevents.1; echo kept > output/report.txt"
    program = CommandProgram(("sh", "-c", script))
    platform.platform.executor.submit(JobSpec(job, "alice", program, resources=Resources(0.1, 1 << 24)))
    wait_until(lambda: platform.platform.executor.state(job).phase is JobPhase.ENDED, what="the job's end")
    platform.platform.metrics.add(record.id, 1, [Point("loss", 0, 0, 0.5, now)])
    return job


def files(platform: Assembly, job: str) -> list[str]:
    return [file.path for file in platform.platform.executor.files(job)]


def test_tensorboard_logs_go_120_days_after_the_end_and_everything_else_stays(platform: Assembly) -> None:
    training, experiment = run(platform, "training", "trn"), run(platform, "experiment", "exp")
    both = ["output/report.txt", "tensorboard/events.out.tfevents.1"]
    now = datetime.now(UTC)

    platform.platform.store.clock = lambda: now + timedelta(days=119.9)
    platform.housekeeping.check_all()
    assert files(platform, training) == both

    platform.platform.store.clock = lambda: now + timedelta(days=120.1)
    assert platform.housekeeping.check_logs() == 1
    assert files(platform, training) == ["output/report.txt"]
    assert files(platform, experiment) == both, "only trainings have TensorBoard logs"
    assert [point.value for point in platform.platform.metrics.history(training.partition("-")[0], 1)] == [0.5]
    assert platform.housekeeping.check_logs() == 0, "looked at once"


def test_what_cannot_be_purged_now_stays_in_the_trash_and_holds_up_nothing_else(platform: Assembly) -> None:
    store, alice = platform.platform.store, User("alice")
    stuck, other = (
        platform.commands.create(alice, EXPERIMENT, NewResource(name=name, spec={})) for name in ("stuck", "other")
    )
    for record in (stuck, other):
        platform.commands.delete(alice, record)
    hub = Away(platform.platform, stuck.id)
    platform.housekeeping.controllers = {**platform.housekeeping.controllers, "experiment": hub}
    now = datetime.now(UTC)
    store.clock = lambda: now + timedelta(days=8)

    assert platform.housekeeping.check_trash() == 1
    assert store.find(other.id) is None
    assert store.find(stuck.id) is not None

    hub.is_away = False
    assert platform.housekeeping.check_trash() == 1
    assert store.find(stuck.id) is None


class Away(ExperimentController):
    """What has to be removed elsewhere, where nothing answers."""

    def __init__(self, platform: Platform, id: str) -> None:
        super().__init__(platform)
        self.id = id
        self.is_away = True

    def purge(self, record: Record) -> None:
        if self.is_away and record.id == self.id:
            raise Unavailable("nobody answers")
