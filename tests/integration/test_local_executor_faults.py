"""One fault at a time, at the places where being killed would hurt most. Each class is named for its fault."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orrery.errors import OutOfSpace
from orrery.executors import folders, launch, shim
from orrery.executors.contract import CommandProgram, Exit, ExitReason, JobSpec, PythonProgram, Resources
from orrery.executors.folders import AcceptedJob
from orrery.executors.local import LocalExecutor
from orrery.testing.executors import CAPACITY, LEAVES_SESSION, FolderObjects, World, is_running
from orrery.testing.waiting import wait_until

#: a second start would be seen as a second line
COUNTS = CommandProgram(("sh", "-c", "echo started; sleep 0.2"))


def make_world(home: Path, *, preload: bool = False) -> World:
    return World(lambda: LocalExecutor(home, FolderObjects(home / "objects"), capacity=CAPACITY, preload=preload))


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    world = make_world(home)
    yield world
    world.close()


def accept(home: Path, job_id: str, program: CommandProgram = COUNTS) -> Path:
    """The folder of a job as `submit` leaves it."""
    folder = home / "jobs" / job_id
    (folder / "work").mkdir(parents=True)
    spec = JobSpec(job_id, "alice", program, Resources(1, 64 << 20), grace_seconds=0.5)
    folders.write_atomically(folder / "job.json", folders.job_to_json(AcceptedJob(spec, datetime.now(UTC), 1)))
    return folder


def prepare(folder: Path) -> None:
    """What the executor writes right before it starts a shim."""
    launch.write_launch(
        folder,
        argv=COUNTS.argv,
        environment={"PATH": os.defpath, "ORRERY_JOB_DIR": str(folder)},
        cwd=folder / "work",
        resources=Resources(1, 64 << 20),
        grace_seconds=0.5,
    )


def assert_ran_once(world: World, job_id: str) -> None:
    ended = world.wait_for_end(job_id).exit
    assert ended is not None and ended.reason is ExitReason.COMPLETED
    assert world.executor.read_log(job_id) == b"started\n"


class TestPlatformDiesAfterAccepting:
    def test_the_job_is_started(self, home: Path) -> None:
        accept(home, "job")
        world = make_world(home)
        assert_ran_once(world, "job")
        world.close()


class TestPlatformDiesBetweenLaunchAndLock:
    def test_the_job_is_started_when_no_shim_came(self, home: Path) -> None:
        prepare(accept(home, "job"))
        world = make_world(home)
        assert_ran_once(world, "job")
        world.close()

    def test_a_shim_that_comes_late_does_not_start_it_again(self, home: Path, world: World) -> None:
        world.executor.close()
        folder = accept(home, "job")
        prepare(folder)
        late = [launch.start_shim(folder) for _ in range(3)]
        world.restart()
        assert_ran_once(world, "job")
        for one in late:
            one.finish()


class TestPlatformDiesBetweenStopAndItsSignal:
    def test_the_job_is_stopped_by_the_successor(self, home: Path) -> None:
        folder = accept(home, "job")
        (folder / "stop").touch()
        world = make_world(home)
        ended = world.wait_for_end("job").exit
        assert ended is not None
        assert (ended.reason, ended.code) == (ExitReason.STOPPED, None)
        assert world.executor.read_log("job") == b""
        world.close()


class TestShimDiesWhileSweeping:
    def test_the_result_stands_and_what_is_left_is_ended(self, home: Path, world: World) -> None:
        world.shell(LEAVES_SESSION + "wait")
        away = world.wait_for_pid("job", "away")
        folder = home / "jobs" / "job"
        record = folders.read_shim(folder)
        assert record is not None
        world.executor.close()
        os.kill(record.pid, signal.SIGKILL)
        now = datetime.now(UTC)
        folders.write_exit(folder, Exit(ExitReason.COMPLETED, 0, now, now))
        world.restart()
        ended = world.wait_for_end("job").exit
        assert ended is not None and ended.reason is ExitReason.COMPLETED
        assert not is_running(away)


class TestShimCannotStart:
    def test_the_job_fails_after_some_attempts(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shim, "COMMAND", ("false",))
        world.shell("true")
        ended = world.wait_for_end("job").exit
        assert ended is not None
        assert (ended.reason, ended.code) == (ExitReason.FAILED, None)
        assert "could not be started" in ended.message
        assert world.executor.capacity().held == Resources(0, 0, 0)


class TestFolderIsRemoved:
    def test_the_program_does_not_run_on_unseen(self, home: Path, world: World) -> None:
        world.shell("echo $$ > pid; while true; do sleep 0.05; done")
        pid = world.wait_for_pid("job", "pid")
        record = folders.read_shim(home / "jobs" / "job")
        assert record is not None
        world.executor.close()
        shutil.rmtree(home / "jobs")
        wait_until(lambda: not is_running(pid) and not is_running(record.pid), what="both have ended")
        world.restart()
        assert world.executor.jobs() == []


class TestZygoteCannotStart:
    def test_jobs_run_in_a_python_of_their_own(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(launch, "ZYGOTE_COMMAND", ("false",))
        world = make_world(home, preload=True)
        for number in range(4):
            program = PythonProgram("builtins:print", {"end": "called\n"})
            world.executor.submit(JobSpec(f"job{number}", "alice", program, Resources(1, 256 << 20)))
        for number in range(4):
            ended = world.wait_for_end(f"job{number}").exit
            assert ended is not None and ended.reason is ExitReason.COMPLETED
        world.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
class TestDiskIsFull:
    @pytest.fixture
    def small(self, home: Path) -> Iterator[Path]:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(home)], capture_output=True)
        if mounted.returncode:
            pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode()}")
        yield home
        subprocess.run(["umount", "-l", str(home)], check=True)

    def test_how_the_job_ended_is_known_and_the_next_is_refused(self, small: Path) -> None:
        world = make_world(small)
        world.shell("cat /dev/zero > fill; exit 3")
        ended = world.wait_for_end("job").exit
        assert ended is not None
        assert (ended.reason, ended.code) == (ExitReason.FAILED, 3)
        # A few bytes may be left: at the latest when these are used up, nothing more is accepted.
        accepted = ["job"]
        with pytest.raises(OutOfSpace):
            for number in range(20):
                accepted.append(world.shell("true", f"next{number}"))
        assert sorted(state.id for state in world.executor.jobs()) == sorted(accepted)
        assert sorted(path.name for path in (small / "jobs").iterdir()) == sorted(accepted)
        # Once there is room, every accepted job comes to its end.
        world.executor.forget("job")
        for job_id in accepted[1:]:
            world.wait_for_end(job_id)
        world.close()
