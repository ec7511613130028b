"""What every executor must do with jobs; with nodes and secrets: `executor_nodes`; with services: `executor_services`.

A test module gives the fixture `make_executor`, which makes executors over one place, each with `CAPACITY`:

    class TestLocalExecutor(JobConformance):
        @pytest.fixture
        def make_executor(self, home: Path, objects: FolderObjects) -> MakeExecutor:
            return lambda: LocalExecutor(home, objects, capacity=CAPACITY, secrets=NamedSecrets())
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orrery.errors import Invalid, JobActive, NotFound, UnknownJob
from orrery.executors.contract import (
    CommandProgram,
    Executor,
    ExitReason,
    InputFile,
    JobPhase,
    JobSpec,
    JobState,
    Priority,
    PythonProgram,
    Resources,
)
from orrery.executors.family import stat_fields
from orrery.testing.waiting import wait_until

MEBIBYTE = 1 << 20
CAPACITY = Resources(cores=2, memory_bytes=4 << 30, gpus=2)

MakeExecutor = Callable[[], Executor]

IGNORES_SIGTERM = "trap '' TERM; echo ready; while true; do sleep 0.05; done"
LEAVES_SESSION = "setsid sh -c 'trap \"\" TERM; echo $$ > away; while true; do sleep 0.05; done' & "
USES_MEMORY = "import time; block = bytearray({bytes}); block[::4096] = b'x' * len(block[::4096]); time.sleep(60)"


def is_running(pid: int) -> bool:
    """Whether the process lives; one that ends while it is looked at, or that nobody waited for yet, does not."""
    fields = stat_fields(pid)
    return fields is not None and fields[0] not in "ZX"


class FolderObjects:
    """An object source in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, content: bytes) -> str:
        oid = hashlib.sha256(content).hexdigest()
        (self.folder / oid).write_bytes(content)
        return oid

    def fetch(self, oid: str, destination: Path) -> None:
        if not (self.folder / oid).exists():
            raise NotFound(f"there is no object {oid}")
        shutil.copyfile(self.folder / oid, destination)


class NamedSecrets:
    """A secret source whose values tell what was asked for."""

    def reveal(self, reference: str) -> str:
        if reference.endswith("/gone"):
            raise NotFound(f"there is no secret {reference}")
        return f"secret of {reference}"


class World:
    """One executor at a time over the place, and short ways to use it."""

    def __init__(self, make: MakeExecutor) -> None:
        self._make = make
        self._changed = threading.Condition()
        self.executor = self._start()

    def _start(self) -> Executor:
        executor = self._make()
        executor.subscribe(self._on_change)
        executor.start()
        return executor

    def _on_change(self, _: str) -> None:
        with self._changed:
            self._changed.notify_all()

    def restart(self) -> None:
        self.executor.close()
        self.executor = self._start()

    def submit(self, *argv: str, job_id: str = "job", **fields: object) -> str:
        spec = JobSpec(job_id, "alice", CommandProgram(argv), resources=Resources(1, 64 * MEBIBYTE), grace_seconds=0.5)
        self.executor.submit(replace(spec, **fields))  # pyright: ignore[reportArgumentType]
        return job_id

    def shell(self, script: str, job_id: str = "job", **fields: object) -> str:
        return self.submit("sh", "-c", script, job_id=job_id, **fields)

    def wait_for(self, job_id: str, *phases: JobPhase, seconds: float = 30.0) -> JobState:
        """Woken by the executor's own notifications, as controllers are."""

        def is_there() -> bool:
            return self.executor.state(job_id).phase in phases

        with self._changed:
            if not self._changed.wait_for(is_there, timeout=seconds):
                raise AssertionError(f"not {' or '.join(phases)} within {seconds} s: {self.executor.state(job_id)}")
        return self.executor.state(job_id)

    def wait_for_end(self, job_id: str, seconds: float = 30.0) -> JobState:
        return self.wait_for(job_id, JobPhase.ENDED, seconds=seconds)

    def wait_for_log(self, job_id: str, text: str) -> None:
        wait_until(lambda: text.encode() in self.executor.read_log(job_id), what=f"{job_id} printed {text!r}")

    def wait_for_pid(self, job_id: str, path: str) -> int:
        def read() -> int | None:
            try:
                with self.executor.open_file(job_id, path) as file:
                    return int(file.read() or 0)
            except NotFound:
                return None

        return wait_until(read, what=f"{job_id} wrote {path}")

    def close(self) -> None:
        for state in self.executor.jobs():
            self.executor.stop(state.id)
        for state in self.executor.jobs():
            self.wait_for_end(state.id)
        for service in self.executor.services():
            self.executor.remove_service(service.id)
        nothing = Resources(0, 0, 0)
        wait_until(lambda: self.executor.capacity().held == nothing, what="everything that ran has ended")
        self.executor.close()


class JobConformance:
    @pytest.fixture
    def objects(self, tmp_path: Path) -> FolderObjects:
        return FolderObjects(tmp_path / "objects")

    @pytest.fixture
    def make_executor(self) -> MakeExecutor:
        raise NotImplementedError("give the executor under test")

    @pytest.fixture
    def world(self, make_executor: MakeExecutor) -> Iterator[World]:
        world = World(make_executor)
        yield world
        world.close()

    # --- to the end ---

    def test_a_command_runs_to_its_end(self, world: World) -> None:
        state = world.wait_for_end(world.shell("echo out; echo err >&2; pwd"))
        assert state.exit is not None
        assert (state.exit.reason, state.exit.code) == (ExitReason.COMPLETED, 0)
        assert state.started_at is not None
        assert state.submitted_at <= state.started_at <= state.exit.ended_at
        out, err, folder = world.executor.read_log("job").decode().splitlines()
        assert (out, err) == ("out", "err")
        assert folder.endswith("/work")

    def test_a_function_of_the_distribution_is_called_with_its_arguments(self, world: World) -> None:
        spec = JobSpec(
            "job", "alice", PythonProgram("builtins:print", {"end": "called\n"}), Resources(1, 256 * MEBIBYTE)
        )
        world.executor.submit(spec)
        state = world.wait_for_end("job")
        assert state.exit is not None
        assert state.exit.reason is ExitReason.COMPLETED, world.executor.read_log("job")
        assert world.executor.read_log("job") == b"called\n"

    def test_an_exit_status_is_kept(self, world: World) -> None:
        state = world.wait_for_end(world.shell("exit 7"))
        assert state.exit is not None
        assert (state.exit.reason, state.exit.code, state.exit.message) == (ExitReason.FAILED, 7, "exit status 7")

    def test_death_by_a_signal_is_named(self, world: World) -> None:
        state = world.wait_for_end(world.shell("kill -SEGV $$"))
        assert state.exit is not None
        assert (state.exit.reason, state.exit.code) == (ExitReason.FAILED, -11)
        assert "SIGSEGV" in state.exit.message

    def test_a_command_that_does_not_exist_fails_and_is_named(self, world: World) -> None:
        state = world.wait_for_end(world.submit("no-such-program"))
        assert state.exit is not None
        assert state.exit.reason is ExitReason.FAILED
        assert "no-such-program" in state.exit.message

    def test_the_environment_holds_the_contract_and_expands_references(self, world: World) -> None:
        world.shell("env", environment={"EM_DATASET_TRAIN": "$(ORRERY_WORK_DIR)/datasets/train", "ODD": "$(NO) $HOME"})
        world.wait_for_end("job")
        lines = world.executor.read_log("job").decode().splitlines()
        environment = {name: value for name, _, value in (line.partition("=") for line in lines)}
        work = environment["ORRERY_WORK_DIR"]
        assert environment["ORRERY_JOB_ID"] == "job"
        assert environment["EM_DATASET_TRAIN"] == f"{work}/datasets/train"
        assert environment["ODD"] == "$(NO) $HOME"
        assert environment["ORRERY_REPORTS"].endswith("/reports.jsonl")
        assert environment["PWD"] == work

    def test_the_platforms_secrets_stay_with_it(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hidden-1")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-2")
        world.wait_for_end(world.shell("env"))
        assert b"hidden" not in world.executor.read_log("job")

    # --- stopping and limits ---

    def test_a_stopped_job_may_tidy_up(self, world: World) -> None:
        script = "trap 'echo tidied; exit 0' TERM; echo ready; while true; do sleep 0.02; done"
        world.shell(script, grace_seconds=20.0)
        world.wait_for_log("job", "ready")
        world.executor.stop("job")
        world.executor.stop("job")
        state = world.wait_for_end("job", seconds=10.0)
        assert state.exit is not None
        assert (state.exit.reason, state.exit.code) == (ExitReason.STOPPED, 0)
        assert b"tidied" in world.executor.read_log("job")

    def test_a_job_that_ignores_sigterm_is_killed_after_the_grace(self, world: World) -> None:
        world.shell(IGNORES_SIGTERM)
        world.wait_for_log("job", "ready")
        world.executor.stop("job")
        assert world.executor.state("job").phase is JobPhase.STOPPING
        state = world.wait_for_end("job", seconds=10.0)
        assert state.exit is not None
        assert (state.exit.reason, state.exit.code) == (ExitReason.STOPPED, -9)

    def test_a_child_that_left_the_session_dies_with_a_stopped_job(self, world: World) -> None:
        world.shell(LEAVES_SESSION + "wait")
        away = world.wait_for_pid("job", "away")
        world.executor.stop("job")
        world.wait_for_end("job")
        assert not is_running(away)

    def test_what_a_finished_job_leaves_behind_is_ended(self, world: World) -> None:
        world.shell(LEAVES_SESSION + "while ! test -s away; do sleep 0.01; done")
        state = world.wait_for_end("job")
        assert state.exit is not None and state.exit.reason is ExitReason.COMPLETED
        assert not is_running(world.wait_for_pid("job", "away"))

    def test_a_queued_job_is_stopped_at_once(self, world: World) -> None:
        world.shell("sleep 60", "first", resources=CAPACITY)
        world.shell("echo ran > proof", "second")
        world.executor.stop("second")
        state = world.wait_for_end("second")
        assert state.exit is not None
        assert (state.exit.reason, state.exit.code, state.started_at) == (ExitReason.STOPPED, None, None)
        assert world.executor.queue() == []

    def test_the_time_limit_ends_a_job(self, world: World) -> None:
        world.shell("sleep 60", time_limit_seconds=0.3)
        state = world.wait_for_end("job", seconds=10.0)
        assert state.exit is not None
        assert state.exit.reason is ExitReason.TIMED_OUT
        assert "0.3 s" in state.exit.message

    def test_the_peak_of_memory_and_the_time_used_are_kept(self, world: World) -> None:
        script = f"block = bytearray({80 * MEBIBYTE}); block[::4096] = b'x' * len(block[::4096]); sum(range(3_000_000))"
        world.submit(sys.executable, "-I", "-S", "-c", script, resources=Resources(1, 256 * MEBIBYTE))
        state = world.wait_for_end("job")
        assert state.exit is not None and state.exit.reason is ExitReason.COMPLETED
        assert 80 * MEBIBYTE <= state.exit.peak_memory_bytes < 160 * MEBIBYTE
        assert state.exit.cpu_seconds > 0.01
        usage = world.executor.usage("job")
        assert usage and usage[-1].cpu_seconds > 0

    def test_a_job_that_uses_far_more_memory_than_it_asked_for_is_ended(self, world: World) -> None:
        world.submit(sys.executable, "-I", "-S", "-c", USES_MEMORY.format(bytes=160 * MEBIBYTE))
        state = world.wait_for_end("job")
        assert state.exit is not None
        assert state.exit.reason is ExitReason.OUT_OF_MEMORY
        assert "64 MiB" in state.exit.message

    def test_a_job_that_writes_more_than_it_asked_for_is_ended(self, world: World) -> None:
        world.shell(f"head -c {3 * MEBIBYTE} /dev/urandom > much; sync; sleep 60", storage_bytes=2 * MEBIBYTE)
        state = world.wait_for_end("job")
        assert state.exit is not None
        assert state.exit.reason is ExitReason.OUT_OF_STORAGE
        assert "2 MiB" in state.exit.message

    def test_a_job_that_ends_before_one_looks_is_judged_by_what_it_has_left(self, world: World) -> None:
        world.shell(f"head -c {3 * MEBIBYTE} /dev/urandom > much; sync", storage_bytes=2 * MEBIBYTE)
        state = world.wait_for_end("job")
        assert state.exit is not None
        assert state.exit.reason is ExitReason.OUT_OF_STORAGE
        assert "3 MiB, having asked for 2 MiB" in state.exit.message

    def test_a_job_within_the_storage_that_it_asked_for_completes(self, world: World) -> None:
        world.shell(f"head -c {MEBIBYTE} /dev/urandom > some; sync; sleep 1.5", storage_bytes=2 * MEBIBYTE)
        state = world.wait_for_end("job")
        assert state.exit is not None and state.exit.reason is ExitReason.COMPLETED

    # --- following ---

    def test_the_log_is_followed_while_the_job_runs(self, world: World) -> None:
        world.shell("echo one; while ! test -e go; do sleep 0.01; done; echo two", environment={"A": "b"})
        world.wait_for_log("job", "one")
        assert world.executor.read_log("job") == b"one\n"
        assert world.executor.read_log("job", offset=4) == b""
        assert world.executor.read_log("job", offset=1, limit=2) == b"ne"
        world.executor.stop("job")

    def test_reports_are_read_by_whole_lines(self, world: World) -> None:
        world.shell(
            'echo \'{"type":"progress","fraction":0.5}\' >> $ORRERY_REPORTS; echo not json >> $ORRERY_REPORTS;'
            'printf \'{"type":"metrics","values":{"loss":NaN\' >> $ORRERY_REPORTS; echo torn; '
            "while ! test -e $ORRERY_WORK_DIR/../stop; do sleep 0.01; done; echo }} >> $ORRERY_REPORTS",
            grace_seconds=0.0,
        )
        world.wait_for_log("job", "torn")
        reports, offset = world.executor.read_reports("job")
        assert reports == [{"type": "progress", "fraction": 0.5}]
        assert world.executor.read_reports("job", offset) == ([], offset)
        world.executor.stop("job")

    def test_a_report_that_was_torn_is_read_once_it_is_whole(self, world: World) -> None:
        world.shell("printf '{\"a\":' >> $ORRERY_REPORTS; printf '1}\\n{}\\n' >> $ORRERY_REPORTS")
        world.wait_for_end("job")
        reports, offset = world.executor.read_reports("job")
        assert reports == [{"a": 1}, {}]
        assert world.executor.read_reports("job", offset) == ([], offset)

    # --- files ---

    def test_input_files_lie_in_the_work_folder_and_outputs_are_listed(
        self, world: World, objects: FolderObjects
    ) -> None:
        files = (InputFile("datasets/train/data.csv", objects.put(b"a,b\n")),)
        world.shell("mkdir model; tr a-z A-Z < datasets/train/data.csv > model/upper.csv", files=files)
        state = world.wait_for_end("job")
        assert state.exit is not None and state.exit.reason is ExitReason.COMPLETED
        listing = {info.path: info.size for info in world.executor.files("job")}
        assert listing == {"datasets/train/data.csv": 4, "model/upper.csv": 4}
        with world.executor.open_file("job", "model/upper.csv") as file:
            assert file.read() == b"A,B\n"

    def test_a_folder_of_an_ended_job_can_be_removed(self, world: World) -> None:
        world.shell("mkdir logs; echo x > logs/a; echo y > kept; ln -s / link; echo ready; sleep 60")
        world.wait_for_log("job", "ready")
        with pytest.raises(JobActive):
            world.executor.remove_folder("job", "logs")
        world.executor.stop("job")
        world.wait_for_end("job")
        assert world.executor.remove_folder("job", "logs") and not world.executor.remove_folder("job", "logs")
        assert [info.path for info in world.executor.files("job")] == ["kept"]
        assert not world.executor.remove_folder("job", "link") and not world.executor.remove_folder("job", "kept")
        for name in ("../work", "a/b", "", ".."):
            with pytest.raises(Invalid):
                world.executor.remove_folder("job", name)

    def test_a_file_that_cannot_be_fetched_fails_the_job(self, world: World) -> None:
        world.shell("true", files=(InputFile("data.csv", "0" * 64),))
        state = world.wait_for_end("job")
        assert state.exit is not None
        assert (state.exit.reason, state.exit.code) == (ExitReason.FAILED, None)
        assert "0" * 64 in state.exit.message

    @pytest.mark.parametrize("path", ["../escape", "/etc/passwd", "a/../../b", "", "a\0b"])
    def test_an_input_path_that_leaves_the_work_folder_is_refused(self, world: World, path: str) -> None:
        with pytest.raises(Invalid):
            world.shell("true", files=(InputFile(path, "0" * 64),))
        with pytest.raises(UnknownJob):
            world.executor.state("job")

    @pytest.mark.parametrize(
        "path", ["../job.json", "/etc/passwd", "out", "folder", "link/passwd", "pipe", "absent", ""]
    )
    def test_no_path_leads_out_of_the_work_folder(self, world: World, path: str) -> None:
        world.shell(
            "ln -s /etc/passwd out; ln -s /etc link; mkdir folder; mkfifo pipe; echo x > file; ln -s file inside"
        )
        world.wait_for_end("job")
        with pytest.raises(NotFound):
            world.executor.open_file("job", path)
        with world.executor.open_file("job", "inside") as file:
            assert file.read() == b"x\n"
        assert [info.path for info in world.executor.files("job")] == ["file"]

    # --- knowing and forgetting ---

    @pytest.mark.parametrize("job_id", ["", "..", "a/b", ".hidden", "a b", "x" * 101])
    def test_an_id_that_is_no_name_of_a_folder_is_refused(self, world: World, job_id: str) -> None:
        with pytest.raises(Invalid):
            world.shell("true", job_id)

    def test_submitting_twice_runs_once(self, world: World) -> None:
        threads = [threading.Thread(target=world.shell, args=("echo ran",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        world.wait_for_end("job")
        world.shell("echo ran")
        assert world.executor.state("job").phase is JobPhase.ENDED
        assert world.executor.read_log("job") == b"ran\n"
        assert len(world.executor.jobs()) == 1

    def test_an_active_job_is_not_forgotten_an_ended_one_is(self, world: World) -> None:
        world.shell("sleep 60")
        with pytest.raises(JobActive):
            world.executor.forget("job")
        world.executor.stop("job")
        world.wait_for_end("job")
        world.executor.forget("job")
        world.executor.forget("job")
        with pytest.raises(UnknownJob):
            world.executor.state("job")
        with pytest.raises(UnknownJob):
            world.executor.read_log("job")

    def test_unknown_jobs_are_named(self, world: World) -> None:
        for call in (world.executor.state, world.executor.stop, world.executor.read_log, world.executor.files):
            with pytest.raises(UnknownJob, match="nobody"):
                call("nobody")

    # --- restarts of the platform ---

    def test_running_jobs_go_on_and_queued_ones_keep_their_places(self, world: World) -> None:
        world.shell("echo begun; while ! test -e go; do sleep 0.02; done", "runs", resources=CAPACITY)
        world.wait_for_log("runs", "begun")
        world.shell("true", "low", resources=CAPACITY, priority=Priority.LOW)
        world.shell("true", "first", resources=CAPACITY)
        world.shell("true", "second", resources=CAPACITY)
        world.restart()
        state = world.wait_for("runs", JobPhase.RUNNING)
        assert state.started_at is not None
        assert [entry.job_id for entry in world.executor.queue()] == ["first", "second", "low"]
        assert world.executor.capacity().held == CAPACITY
        world.executor.stop("runs")
        for job_id in ("first", "second", "low"):
            assert world.wait_for_end(job_id).exit is not None
        assert world.executor.read_log("runs") == b"begun\n"

    def test_a_job_that_ends_while_the_platform_is_down_is_known_afterwards(self, world: World) -> None:
        world.shell("sleep 0.3; exit 4")
        world.wait_for("job", JobPhase.RUNNING)
        world.restart()
        state = world.wait_for_end("job")
        world.restart()
        assert world.executor.state("job") == state
        assert state.exit is not None and state.exit.code == 4

    def test_a_stop_asked_for_before_the_restart_is_obeyed(self, world: World) -> None:
        world.shell(IGNORES_SIGTERM, grace_seconds=1.0)
        world.wait_for_log("job", "ready")
        world.executor.stop("job")
        world.restart()
        state = world.wait_for_end("job")
        assert state.exit is not None and state.exit.reason is ExitReason.STOPPED

    def test_the_spec_survives_as_it_was(self, world: World) -> None:
        world.shell("echo $A", environment={"A": json.dumps("ü")}, title="Größe")
        world.wait_for_end("job")
        world.restart()
        assert world.executor.read_log("job").decode() == '"\\u00fc"\n'
