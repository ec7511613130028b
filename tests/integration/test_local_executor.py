"""The local executor against the conformance suite, and what only it has: shims, the zygote, the home's lock."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from orrery.errors import InUse, Invalid
from orrery.executors import folders
from orrery.executors.contract import ExitReason, JobPhase, JobSpec, PythonProgram, Resources
from orrery.executors.local import LocalExecutor
from orrery.testing.executor_nodes import NodeConformance
from orrery.testing.executor_queue import QueueConformance
from orrery.testing.executor_services import ServiceConformance
from orrery.testing.executors import (
    CAPACITY,
    LEAVES_SESSION,
    FolderObjects,
    JobConformance,
    MakeExecutor,
    NamedSecrets,
    World,
    is_running,
)
from orrery.testing.waiting import wait_until


class TestLocalExecutor(JobConformance, NodeConformance, QueueConformance, ServiceConformance):
    @pytest.fixture
    def make_executor(self, home: Path, objects: FolderObjects) -> MakeExecutor:
        return lambda: LocalExecutor(home, objects, capacity=CAPACITY, preload=False, secrets=NamedSecrets())

    def test_a_second_executor_over_one_home_is_refused(self, world: World, home: Path, objects: FolderObjects) -> None:
        second = LocalExecutor(home, objects, lock_timeout_seconds=0.1, preload=False)
        with pytest.raises(InUse, match=str(os.getpid())):
            second.start()

    def test_a_killed_shim_means_lost_and_nothing_of_the_job_lives_on(self, world: World, home: Path) -> None:
        world.shell(LEAVES_SESSION + "sh -c 'echo $$ > child; while true; do sleep 0.05; done'")
        pids = [world.wait_for_pid("job", name) for name in ("away", "child")]
        record = folders.read_shim(home / "jobs" / "job")
        assert record is not None
        os.kill(record.pid, signal.SIGKILL)
        state = world.wait_for_end("job")
        assert state.exit is not None
        assert (state.exit.reason, state.exit.code) == (ExitReason.LOST, None)
        assert not any(is_running(pid) for pid in [*pids, record.child])

    def test_a_shim_killed_while_the_platform_is_down_means_lost(self, world: World, home: Path) -> None:
        world.shell("sh -c 'echo $$ > child; while true; do sleep 0.05; done'; true")
        child = world.wait_for_pid("job", "child")
        record = folders.read_shim(home / "jobs" / "job")
        assert record is not None
        world.executor.close()
        os.kill(record.pid, signal.SIGKILL)
        world.restart()
        state = world.wait_for_end("job")
        assert state.exit is not None and state.exit.reason is ExitReason.LOST
        assert not is_running(child)

    def test_a_job_of_before_the_machine_restarted_is_lost(self, world: World, home: Path) -> None:
        world.shell("sleep 60")
        world.wait_for("job", JobPhase.RUNNING)
        record = home / "jobs" / "job" / "shim.json"
        shim = folders.read_shim(record.parent)
        assert shim is not None
        world.executor.close()
        content = folders.read_json(record)
        assert content is not None
        folders.write_atomically(record, {**content, "boot_id": "another"})
        os.kill(shim.pid, signal.SIGKILL)
        world.restart()
        state = world.wait_for_end("job")
        assert state.exit is not None and state.exit.reason is ExitReason.LOST
        assert "machine restarted" in state.exit.message

    def test_a_folder_that_was_never_acknowledged_is_removed(self, world: World, home: Path) -> None:
        folder = home / "jobs" / "torn"
        folder.mkdir()
        (folder / ".job.json.new").write_text('{"id"')
        world.restart()
        wait_until(lambda: not folder.exists(), what="the folder is removed")

    def test_an_account_that_does_not_exist_is_refused(self, world: World) -> None:
        with pytest.raises(Invalid, match="nobody-here"):
            world.shell("true", run_as="nobody-here")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may switch accounts")
    def test_a_job_runs_under_the_account_it_names(self, world: World, home: Path, objects: FolderObjects) -> None:
        home.chmod(0o711)
        world.shell(
            "id -un; echo $HOME; echo x > mine; echo {} >> $ORRERY_REPORTS; head -c1 ../job.json; cat ../launch.json",
            run_as="nobody",
        )
        state = world.wait_for_end("job")
        assert state.exit is not None
        lines = world.executor.read_log("job").decode().splitlines()
        assert lines[0] == "nobody"
        assert lines[2].startswith("{"), "it reads its own job.json"
        assert "Permission denied" in lines[2], "but not the shim's files"
        assert world.executor.read_reports("job")[0] == [{}]


class TestForkedJobs:
    """Jobs from the preloaded process."""

    @pytest.fixture
    def make_executor(self, home: Path, tmp_path: Path) -> MakeExecutor:
        return lambda: LocalExecutor(home, FolderObjects(tmp_path / "objects"), capacity=CAPACITY)

    @pytest.fixture
    def world(self, make_executor: MakeExecutor) -> Iterator[World]:
        world = World(make_executor)
        yield world
        world.close()

    def submit(self, world: World, job_id: str, entry: str, **arguments: object) -> None:
        world.executor.submit(JobSpec(job_id, "alice", PythonProgram(entry, arguments), Resources(1, 512 << 20)))

    def zygote(self, world: World) -> int:
        assert isinstance(world.executor, LocalExecutor)
        assert world.executor.zygote_pid is not None
        return world.executor.zygote_pid

    def test_forked_jobs_report_as_executed_ones_do(self, world: World) -> None:
        self.submit(world, "good", "builtins:print", end="called\n")
        self.submit(world, "bad", "builtins:nothing")
        good, bad = (world.wait_for_end(job_id).exit for job_id in ("good", "bad"))
        assert good is not None and bad is not None
        assert (good.reason, good.code) == (ExitReason.COMPLETED, 0)
        assert (bad.reason, bad.code) == (ExitReason.FAILED, 1)
        assert world.executor.read_log("good") == b"called\n"
        assert b"AttributeError" in world.executor.read_log("bad")

    def test_a_killed_zygote_takes_no_job_with_it_and_is_replaced(self, world: World) -> None:
        self.submit(world, "long", "subprocess:call", args=["sh", "-c", "echo up; while true; do sleep 0.05; done"])
        world.wait_for_log("long", "up")
        first = self.zygote(world)
        os.kill(first, signal.SIGKILL)
        self.submit(world, "next", "builtins:print", end="from a new one\n")
        ended = world.wait_for_end("next").exit
        assert ended is not None and ended.reason is ExitReason.COMPLETED
        assert self.zygote(world) != first
        assert world.executor.state("long").phase is JobPhase.RUNNING

    def test_the_zygote_ends_with_the_executor_and_its_jobs_go_on(self, world: World) -> None:
        self.submit(world, "long", "subprocess:call", args=["sh", "-c", "echo up; while true; do sleep 0.05; done"])
        world.wait_for_log("long", "up")
        zygote = self.zygote(world)
        world.restart()
        assert not is_running(zygote)
        assert world.wait_for("long", JobPhase.RUNNING).exit is None
