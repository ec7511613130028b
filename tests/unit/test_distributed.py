"""What is told to programs that train together, and how their output is told apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orrery.api.details import lines_of_rank, whole_lines
from orrery.controllers.jobs import explain_failure, read_reports
from orrery.domain.records import Record
from orrery.domain.trainings import TrainingSpec, count_ranks
from orrery.executors.contract import Exit, ExitReason, JobSpec, PythonProgram, Resources
from orrery.executors.folders import AcceptedJob, job_from_json, job_to_json
from orrery.jobs import rank
from orrery.jobs.distributed import Labeller, Node, this_node, threads_each, variables

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_node_is_told_what_frameworks_read() -> None:
    node = Node(1, ("10.0.0.1:4000", "10.0.0.2:4001"))
    told = variables(node, 4, has_gpus=True)
    cluster = {"worker": ["10.0.0.1:4000", "10.0.0.2:4001"]}
    assert json.loads(told.pop("TF_CONFIG")) == {"cluster": cluster, "task": {"type": "worker", "index": 1}}
    assert told == {
        "MASTER_ADDR": "10.0.0.1",
        "MASTER_PORT": "4000",
        "WORLD_SIZE": "8",
        "RANK": "4",
        "LOCAL_RANK": "0",
        "NODE_RANK": "1",
        "ORRERY_DISTRIBUTED_BACKEND": "nccl",
    }


def test_a_node_knows_itself_by_what_the_executor_says() -> None:
    given = {"ORRERY_NODES": "2", "ORRERY_NODE_RANK": "1", "ORRERY_NODE_ADDRESSES": "a:1,b:2"}
    assert this_node(given) == Node(1, ("a:1", "b:2"))
    alone = this_node({})
    assert alone.rank == 0 and alone.master[0] == "127.0.0.1" and int(alone.master[1]) > 0


def test_processes_of_a_node_share_its_cores() -> None:
    assert threads_each({"OMP_NUM_THREADS": "8", "MKL_NUM_THREADS": "1"}, 4) == {
        "OMP_NUM_THREADS": "2",
        "MKL_NUM_THREADS": "1",
    }


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_are_labelled_whole_in_whatever_pieces_they_come(size: int) -> None:
    printed: list[bytes] = []
    labeller = Labeller(b"[rank 2] ", printed.append)
    log = b"one\n\n 10 %\r 20 %\n[rank 3] of another\nlast"
    for begin in range(0, len(log), size):
        labeller.feed(log[begin : begin + size])
    labeller.finish()
    joined = b"".join(printed)
    assert joined == b"[rank 2] one\n[rank 2] \n[rank 2]  20 %\n[rank 3] of another\n[rank 2] last\n"
    assert lines_of_rank(joined, 2) == b"one\n\n 20 %\nlast\n"
    assert lines_of_rank(joined, 3) == b"of another\n"
    assert lines_of_rank(joined, 1) == b""


def test_a_log_is_cut_at_line_ends() -> None:
    assert whole_lines(b"one\ntw", is_last=False, limit=6) == b"one\n"
    assert whole_lines(b"one\ntw", is_last=True, limit=9) == b"one\ntw"
    assert whole_lines(b"longer", is_last=False, limit=6) == b"longer"
    assert whole_lines(b"short", is_last=False, limit=6) == b""


def test_a_job_keeps_its_nodes_and_holds_all_of_them() -> None:
    spec = JobSpec("job", "alice", PythonProgram("a:b"), Resources(1.5, 100, 1), nodes=3)
    assert spec.held == Resources(4.5, 300, 3)
    stored = job_to_json(AcceptedJob(spec, NOW, 1))
    assert job_from_json(stored).spec == spec
    # of an earlier release
    del stored["nodes"]
    assert job_from_json(stored).spec == replace(spec, nodes=1)


def test_several_processes_need_torchrun() -> None:
    with pytest.raises(ValueError, match="processes_per_node is 2, and nothing starts so many: set torchrun"):
        TrainingSpec.model_validate({"algorithm": "a", "processes_per_node": 2})
    spec = TrainingSpec.model_validate({"algorithm": "a", "processes_per_node": 2, "nodes": 3, "torchrun": True})
    assert count_ranks(spec.model_dump()) == 6
    assert count_ranks({}) == 1


class Told:
    """An executor's reports."""

    def __init__(self, *lines: dict[str, object]) -> None:
        self.lines = list(lines)

    def read_reports(self, job_id: str, offset: int = 0) -> tuple[list[dict[str, object]], int]:
        return self.lines[offset:], len(self.lines)


def failure(rank: int, status: int, at: float) -> dict[str, object]:
    details = {"rank": rank, "status": status, "at": at, "pid": 1}
    return {"type": "error", "code": "failed", "message": f"of rank {rank}", "details": details}


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        ([failure(0, 1, 5.0), failure(3, 1, 4.0)], "of rank 3"),
        # whoever was killed took the others with it, though their end was noticed first
        ([failure(3, -9, 6.0), failure(0, 1, 5.0)], "of rank 3"),
        ([failure(0, -6, 5.0), failure(3, 1, 4.0)], "of rank 3"),
        # ended by torchrun because of another
        ([failure(0, -15, 3.0), failure(1, 1, 5.0)], "of rank 1"),
        ([failure(0, 1, 1.0), {"type": "error", "code": "later", "message": "the newest"}], "the newest"),
    ],
)
@pytest.mark.parametrize("looks", [1, 2])
def test_of_several_ranks_the_first_cause_is_told(failures: list[dict[str, object]], told: str, looks: int) -> None:
    record = Record("trn_1", "training", "alice", "one", 0, {}, "RUNNING", NOW, NOW)
    executor: Any = Told(*failures[:1]) if looks == 2 else Told(*failures)
    found = read_reports(executor, record, "job")
    if looks == 2:
        executor.lines = failures
        found = read_reports(executor, replace(record, internal=found.internal), "job")
    assert found.error is not None and found.error["message"] == told


@pytest.mark.parametrize(
    ("reason", "allowed", "why"),
    [
        (ExitReason.FAILED, 800 << 20, "most likely for want of memory ("),
        (ExitReason.OUT_OF_MEMORY, 8 << 30, "for want of memory ("),
        (ExitReason.FAILED, 8 << 30, "not for want of memory as far as was seen ("),
        (ExitReason.FAILED, None, "not for want of memory as far as was seen ("),
    ],
)
def test_a_kill_is_explained_by_memory_only_where_that_was_seen(
    reason: ExitReason, allowed: int | None, why: str
) -> None:
    ended = Exit(reason, 137, NOW, NOW, peak_memory_bytes=700 << 20)
    message = "exit code : -9 (pid: 7), rank 1: it was killed\nlast words"
    error = {"code": "failed", "message": message, "details": {"status": -9}}
    told = explain_failure(error, ended, None, allowed)
    assert told.startswith(f"exit code : -9 (pid: 7), rank 1: it was killed: {why}all of it together peaked at 700 MiB")
    assert told.endswith("\nlast words")
    assert explain_failure({**error, "details": {"status": 1}}, ended, None, allowed) == error["message"]


def test_a_rank_of_torchrun_is_told_whose_it_is_in_a_name_of_ours(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1")
    output = os.open(tmp_path / "1", os.O_RDWR | os.O_NONBLOCK)
    script = tmp_path / "train.py"
    script.write_text("import os, sys; print(os.environ['ORRERY_RANK'], *sys.argv[1:])")
    environment = {**os.environ, "RANK": "3", "LOCAL_RANK": "1"}
    command = [sys.executable, rank.__file__, str(tmp_path), str(script), "--epochs", "2"]
    with subprocess.Popen(command, env=environment) as process:
        assert process.wait() == 0
    assert os.read(output, 1000).decode() == f"{process.pid}\n3 --epochs 2\n"
    os.close(output)
