"""What every executor must do with jobs that wait, and with what it hands out.

Inherited beside `orrery.testing.executors.JobConformance`, whose fixtures it uses.
"""

from __future__ import annotations

import pytest

from orrery.errors import Invalid, UnknownJob, Unschedulable
from orrery.executors.contract import JobPhase, Priority, Resources
from orrery.testing.executors import CAPACITY, MEBIBYTE, World


class QueueConformance:
    def test_high_priority_goes_first_then_the_first_to_come(self, world: World) -> None:
        world.shell("sleep 60", "holder", resources=CAPACITY, title="big")
        # Each asks for both cores, so that they run one after another.
        for job_id, priority in (("n1", 1), ("low", 0), ("n2", 1), ("high", 2)):
            resources = Resources(2, MEBIBYTE * 64)
            world.shell("date +%s%N > at", job_id, priority=Priority(priority), resources=resources)
        entries = world.executor.queue()
        assert [(entry.job_id, entry.place) for entry in entries] == [("high", 1), ("n1", 2), ("n2", 3), ("low", 4)]
        assert "2 of 2 are held by alice/big" in entries[0].reason
        assert all(entry.reason for entry in entries)
        world.executor.stop("holder")
        started: dict[str, int] = {}
        for job_id in ("high", "n1", "n2", "low"):
            world.wait_for_end(job_id)
            started[job_id] = world.wait_for_pid(job_id, "at")
        assert sorted(started, key=lambda job_id: started[job_id]) == ["high", "n1", "n2", "low"]

    def test_what_is_held_is_given_back(self, world: World) -> None:
        world.shell("while true; do sleep 0.05; done", resources=Resources(1.5, MEBIBYTE, 1))
        world.wait_for("job", JobPhase.RUNNING)
        assert world.executor.capacity().total == CAPACITY
        assert world.executor.capacity().held == Resources(1.5, MEBIBYTE, 1)
        world.executor.stop("job")
        world.wait_for_end("job")
        assert world.executor.capacity().held == Resources(0, 0, 0)

    def test_each_job_sees_only_its_gpus(self, world: World) -> None:
        script = "echo [$CUDA_VISIBLE_DEVICES]; while true; do sleep 0.05; done"
        for job_id, gpus in (("a", 1), ("b", 1)):
            world.shell(script, job_id, resources=Resources(0.5, MEBIBYTE, gpus))
        world.shell("echo [$CUDA_VISIBLE_DEVICES]", "c", resources=Resources(0.5, MEBIBYTE, 0))
        world.wait_for_end("c")
        for job_id in ("a", "b"):
            world.wait_for_log(job_id, "]")
        seen = [world.executor.read_log(job_id).decode().strip() for job_id in ("a", "b", "c")]
        assert seen == ["[0]", "[1]", "[]"]

    @pytest.mark.parametrize(
        ("resources", "words"),
        [
            (Resources(3, MEBIBYTE), "3 cores asked for; this machine has 2 cores"),
            (Resources(1, 8 << 30), "8 GiB of memory asked for; this machine has 4 GiB"),
            (Resources(1, MEBIBYTE, 3), "3 GPUs asked for; this machine has 2 GPUs"),
        ],
    )
    def test_what_no_machine_can_hold_is_refused(self, world: World, resources: Resources, words: str) -> None:
        with pytest.raises(Unschedulable, match=words):
            world.shell("true", resources=resources)
        with pytest.raises(UnknownJob):
            world.executor.state("job")

    @pytest.mark.parametrize(
        "resources", [Resources(0, 1), Resources(-1, 1), Resources(1, -1), Resources(float("nan"), 1)]
    )
    def test_impossible_resources_are_refused(self, world: World, resources: Resources) -> None:
        with pytest.raises(Invalid):
            world.shell("true", resources=resources)

    def test_a_waiting_job_is_given_another_priority_and_keeps_it_over_a_restart(self, world: World) -> None:
        world.shell("while true; do sleep 0.05; done", "holder", resources=CAPACITY)
        world.wait_for("holder", JobPhase.RUNNING)
        for job_id in ("first", "second", "third"):
            world.shell("true", job_id, resources=CAPACITY)
        world.executor.change_priority("third", Priority.HIGH)
        world.executor.change_priority("first", Priority.LOW)
        world.executor.change_priority("first", Priority.LOW)
        waiting = [("third", 1, Priority.HIGH), ("second", 2, Priority.NORMAL), ("first", 3, Priority.LOW)]
        assert [(entry.job_id, entry.place, entry.priority) for entry in world.executor.queue()] == waiting
        world.restart()
        assert [(entry.job_id, entry.place, entry.priority) for entry in world.executor.queue()] == waiting
        # one that has its part already is left alone, and one that nobody submitted is told
        world.executor.change_priority("holder", Priority.LOW)
        world.wait_for("holder", JobPhase.RUNNING)
        with pytest.raises(UnknownJob, match="nobody"):
            world.executor.change_priority("nobody", Priority.HIGH)
        world.executor.stop("holder")
        for job_id in ("holder", "third", "second", "first"):
            world.wait_for_end(job_id)
        world.executor.change_priority("first", Priority.HIGH)
