"""The local executor against the conformance suite, and what only it has: shims, the zygote, one home for one executor."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from orrery.errors import InUse, Invalid
from orrery.executors import folders
from orrery.executors.contract import ExitReason, JobPhase, JobSpec, PythonProgram, Resources
from orrery.executors.local import LocalExecutor
from orrery.testing.executors import CAPACITY, LEAVES_SESSION, FolderObjects, JobConformance, MakeExecutor, World
from orrery.testing.processes import is_running, wait_until


class TestLocalExecutor(JobConformance):
    @pytest.fixture
    def make_executor(self, home: Path, objects: FolderObjects) -> MakeExecutor:
        return lambda: LocalExecutor(home, objects, capacity=CAPACITY, preload=False)

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


class TestZygote:
    """Jobs forked from the preloaded process."""

    @pytest.fixture(scope="class")
    def shared_home(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("home")

    def make(self, home: Path) -> LocalExecutor:
        return LocalExecutor(home, FolderObjects(home / "test-objects"), capacity=CAPACITY)

    def python(self, job_id: str, entry: str, **arguments: object) -> JobSpec:
        return JobSpec(job_id, "alice", PythonProgram(entry, arguments), Resources(1, 512 << 20))

    def test_jobs_are_forked_and_survive_the_zygote(self, home: Path) -> None:
        world = World(lambda: self.make(home))
        core = world.executor._core  # pyright: ignore
        world.executor.submit(self.python("first", "time:sleep", secs=0)) if False else None
        world.executor.submit(self.python("long", "subprocess:call", args=["sh", "-c", "echo up; sleep 1.5"]))
        world.wait_for_log("long", "up")
        zygote = core.zygote.pid
        assert zygote is not None
        os.kill(zygote, signal.SIGKILL)
        world.executor.submit(self.python("next", "builtins:print", end="from a new one\n"))
        state = world.wait_for_end("next")
        assert state.exit is not None and state.exit.reason is ExitReason.COMPLETED
        assert core.zygote.pid != zygote
        state = world.wait_for_end("long")
        assert state.exit is not None and state.exit.reason is ExitReason.COMPLETED
        world.executor.submit(self.python("bad", "builtins:nothing"))
        state = world.wait_for_end("bad")
        assert state.exit is not None
        assert (state.exit.reason, state.exit.code) == (ExitReason.FAILED, 1)
        assert b"AttributeError" in world.executor.read_log("bad")
        pid = core.zygote.pid
        world.close()
        assert not is_running(pid)
