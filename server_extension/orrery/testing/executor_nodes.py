"""What every executor must do with jobs of several nodes, with secrets, and with images.

Beside `orrery.testing.executors.JobConformance`, whose fixtures it uses. The executors that `make_executor` makes take
their secrets from `NamedSecrets`.
"""

from __future__ import annotations

import re
from typing import ClassVar

import pytest

from orrery.errors import Invalid, UnknownJob, Unschedulable
from orrery.executors.contract import ContainerImage, ExitReason, JobPhase, Resources
from orrery.testing.executors import MEBIBYTE, World


class NodeConformance:
    #: where the executor runs containers: the address of an image that has `sh`
    IMAGE: ClassVar[str] = "registry.example.org/train@sha256:" + "a" * 64

    # --- images ---

    def test_an_image_is_run_in_or_refused_with_its_address(self, world: World) -> None:
        image = ContainerImage(self.IMAGE)
        if world.executor.runs_containers:
            state = world.wait_for_end(world.shell("echo inside", image=image))
            assert state.exit is not None and state.exit.reason is ExitReason.COMPLETED
            assert world.executor.read_log("job") == b"inside\n"
            return
        with pytest.raises(Invalid, match=re.escape(self.IMAGE)):
            world.shell("true", image=image)
        with pytest.raises(UnknownJob):
            world.executor.state("job")

    # --- secrets ---

    def test_a_secret_reaches_the_program_and_neither_its_log_nor_its_record(self, world: World) -> None:
        script = 'test "$T" = "secret of alice/token" && printf "it is %s" "$T"; echo; echo $ORRERY_SECRETS; exit 3'
        world.shell(script, secrets={"T": "alice/token"})
        state = world.wait_for_end("job")
        assert state.exit is not None and state.exit.code == 3
        assert world.executor.read_log("job") == b"it is ***\nT\n"

    def test_a_masked_log_is_whole_when_the_program_is_killed(self, world: World) -> None:
        world.shell("seq 20000; echo secret of alice/token; kill -9 $$", secrets={"TOKEN": "alice/token"})
        state = world.wait_for_end("job")
        assert state.exit is not None and state.exit.code == -9
        log = world.executor.read_log("job")
        assert log.endswith(b"\n19999\n20000\n***\n")

    def test_a_secret_that_is_gone_fails_the_job_and_is_named(self, world: World) -> None:
        state = world.wait_for_end(world.shell("true", secrets={"TOKEN": "alice/gone"}))
        assert state.exit is not None and state.exit.reason is ExitReason.FAILED
        assert "alice/gone" in state.exit.message

    # --- several nodes ---

    def test_a_job_of_several_nodes_runs_its_program_on_each(self, world: World) -> None:
        world.shell('echo "$ORRERY_NODE_RANK of $ORRERY_NODES at $ORRERY_NODE_ADDRESSES"', nodes=2)
        state = world.wait_for_end("job")
        log = world.executor.read_log("job").decode()
        assert state.exit is not None and state.exit.reason is ExitReason.COMPLETED, log
        first, second = sorted(log.splitlines())
        addresses = first.rpartition(" ")[2]
        assert first == f"[rank 0] 0 of 2 at {addresses}"
        assert second == f"[rank 1] 1 of 2 at {addresses}"
        assert len({*addresses.split(",")}) == 2

    def test_the_nodes_hold_their_resources_together(self, world: World) -> None:
        world.shell("sleep 60", nodes=2, resources=Resources(1, 64 * MEBIBYTE, 1))
        world.wait_for("job", JobPhase.RUNNING)
        assert world.executor.capacity().held == Resources(2, 128 * MEBIBYTE, 2)
        world.executor.stop("job")
        with pytest.raises(Unschedulable, match="3 cores"):
            world.shell("true", "more", nodes=3)

    def test_a_node_that_fails_ends_the_others(self, world: World) -> None:
        script = (
            'test "$ORRERY_NODE_RANK" = 1 && exit 7; trap "echo tidied; exit 0" TERM; while true; do sleep 0.02; done'
        )
        state = world.wait_for_end(world.shell(script, nodes=2))
        assert state.exit is not None
        assert (state.exit.reason, state.exit.code) == (ExitReason.FAILED, 7)
        assert b"[rank 0] tidied\n" in world.executor.read_log("job")

    def test_a_stop_reaches_every_node(self, world: World) -> None:
        world.shell(
            'trap "echo tidied; exit 0" TERM; echo ready $ORRERY_NODE_RANK; while true; do sleep 0.02; done',
            nodes=2,
            grace_seconds=20.0,
        )
        for rank in range(2):
            world.wait_for_log("job", f"ready {rank}")
        world.executor.stop("job")
        state = world.wait_for_end("job", seconds=10.0)
        assert state.exit is not None and state.exit.reason is ExitReason.STOPPED
        assert world.executor.read_log("job").count(b"tidied") == 2
