"""What the platform removes by itself, once its time has come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orrery.api.assembly import Assembly, assemble
from orrery.controllers.settings import Settings
from orrery.domain.ids import make_id
from orrery.domain.records import Record
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
