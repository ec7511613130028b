"""What every executor must do with services; inherited beside `JobConformance`, whose fixtures it uses."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from orrery.errors import Invalid, UnknownService, Unschedulable
from orrery.executors.contract import InputFile, JobPhase, Replica, ReplicaPhase, Resources, ServiceSpec, ServiceState
from orrery.testing.executors import MEBIBYTE, FolderObjects, World, is_running
from orrery.testing.waiting import wait_until

#: answers 200 with its process id and the variable WORD; refuses readiness while the file `unready` is there
SERVER = """
import os, signal, socket
path = os.environ["ORRERY_SOCKET"]
print("listening for", os.environ["ORRERY_REPLICA_ID"], flush=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(64)
while True:
    connection, _ = listener.accept()
    connection.recv(4096)
    body = f"{os.getpid()} {os.environ.get('WORD', '')}".encode()
    status = b"503 Busy" if os.path.exists("unready") else b"200 OK"
    head = b"HTTP/1.1 %s\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % (status, len(body))
    connection.sendall(head + body)
    connection.close()
"""
ARGV = (sys.executable, "-I", "-S", "-c", SERVER)
CRASHES = ("sh", "-c", "echo the disk is on fire; exit 3")


def spec(**fields: object) -> ServiceSpec:
    basis = ServiceSpec("web", "alice", ARGV, resources=Resources(0.2, 64 * MEBIBYTE), grace_seconds=0.5)
    return replace(basis, **fields)  # pyright: ignore[reportArgumentType]


def ask(replica: Replica) -> tuple[int, str]:
    """The replica's process and its WORD. Raises `OSError` when nobody answers."""
    return asyncio.run(_ask(replica.address.removeprefix("unix:")))


async def _ask(path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(b"GET /v2/health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    if not answer:
        raise ConnectionError("no answer")
    pid, _, word = answer.partition(b"\r\n\r\n")[2].decode().partition(" ")
    return int(pid), word


def ready(state: ServiceState) -> list[Replica]:
    return [replica for replica in state.replicas if replica.phase is ReplicaPhase.READY]


def wait_for_state(
    world: World, check: Callable[[ServiceState], bool], what: str, seconds: float = 30.0
) -> ServiceState:
    def seen() -> ServiceState | None:
        state = world.executor.service("web")
        return state if check(state) else None

    try:
        return wait_until(seen, what=what, seconds=seconds)
    except AssertionError as late:
        raise AssertionError(f"{late}: {world.executor.service('web')}") from None


def wait_for_ready(world: World, count: int) -> list[Replica]:
    """Exactly so many replicas, all ready and of the revision wanted."""

    def is_there(state: ServiceState) -> bool:
        return len(state.replicas) == count and all(
            replica.phase is ReplicaPhase.READY and replica.revision == state.revision for replica in state.replicas
        )

    return list(wait_for_state(world, is_there, f"{count} replicas are ready").replicas)


@contextmanager
def callers(world: World) -> Generator[list[str]]:
    """Call a ready replica again and again, as a gateway would; yields what went wrong."""
    failures: list[str] = []
    done = threading.Event()

    def call() -> None:
        while not done.is_set():
            replicas = ready(world.executor.service("web"))
            if not replicas:
                failures.append("no replica was ready")
            for replica in replicas:
                try:
                    ask(replica)
                except OSError as failed:
                    # The routes may be one change old: only a replica that is still ready must answer.
                    if replica.id in {one.id for one in ready(world.executor.service("web"))}:
                        failures.append(f"{replica.id}: {failed!r}")
            time.sleep(0.01)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield failures
    finally:
        done.set()
        thread.join()


class ServiceConformance:
    def test_replicas_become_ready_and_answer(self, world: World) -> None:
        world.executor.apply_service(spec(replicas=2, environment={"WORD": "hello"}))
        replicas = wait_for_ready(world, 2)
        answers = [ask(replica) for replica in replicas]
        assert {word for _, word in answers} == {"hello"}
        assert len({pid for pid, _ in answers}) == 2
        assert all(replica.started_at is not None and replica.restarts == 0 for replica in replicas)
        log = world.executor.read_service_log("web", replicas[0].id)
        assert log == f"listening for {replicas[0].id}\n".encode()

    def test_what_a_replica_uses_is_told_by_its_id(self, world: World) -> None:
        world.executor.apply_service(spec())
        (replica,) = wait_for_ready(world, 1)
        samples = wait_until(lambda: world.executor.service_usage("web").get(replica.id), what="a sample")
        assert samples[0].memory_bytes > 0
        with pytest.raises(UnknownService):
            world.executor.service_usage("nobody")

    def test_the_files_of_a_service_lie_in_its_work_folder(self, world: World, objects: FolderObjects) -> None:
        files = (InputFile("model/word", objects.put(b"from a file")),)
        start = 'WORD="$(cat $ORRERY_WORK_DIR/model/word)" exec "$@"'
        world.executor.apply_service(spec(files=files, argv=("sh", "-c", start, "sh", *ARGV)))
        (replica,) = wait_for_ready(world, 1)
        assert ask(replica)[1] == "from a file"

    def test_files_that_cannot_be_fetched_are_told(self, world: World) -> None:
        world.executor.apply_service(spec(files=(InputFile("model", "0" * 64),)))
        state = wait_for_state(world, lambda state: state.failure is not None, "the failure is told")
        assert "0" * 64 in (state.failure or "")

    def test_a_crashed_replica_is_started_again(self, world: World) -> None:
        world.executor.apply_service(spec())
        (replica,) = wait_for_ready(world, 1)
        os.kill(ask(replica)[0], signal.SIGKILL)
        wait_for_state(world, lambda state: state.replicas[0].restarts == 1, "it is started again")
        (again,) = wait_for_ready(world, 1)
        assert again.id == replica.id
        assert ask(again)[0] > 0
        assert world.executor.service("web").failure is None

    def test_a_crash_loop_is_told_with_the_end_of_the_log(self, world: World) -> None:
        world.executor.apply_service(spec(argv=CRASHES))
        state = wait_for_state(world, lambda state: state.failure is not None, "the failure is told")
        assert "3 times in a row" in (state.failure or "")
        assert "exit status 3" in (state.failure or "")
        assert "the disk is on fire" in (state.failure or "")
        (replica,) = state.replicas
        assert replica.phase in (ReplicaPhase.BACKING_OFF, ReplicaPhase.STARTING)

    def test_a_replica_that_does_not_become_ready_in_time_is_told(self, world: World) -> None:
        world.executor.apply_service(spec(argv=("sleep", "60"), ready_timeout_seconds=0.3))
        state = wait_for_state(world, lambda state: state.failure is not None, "the failure is told")
        assert "did not answer GET /v2/health/ready with 200 within 0.3 s" in (state.failure or "")

    def test_it_is_ready_only_when_it_answers_200(self, world: World, objects: FolderObjects) -> None:
        world.executor.apply_service(spec(files=(InputFile("unready", objects.put(b"")),), ready_timeout_seconds=0.5))
        state = wait_for_state(world, lambda state: state.failure is not None, "the failure is told")
        assert not ready(state)

    def test_scaling_keeps_those_that_run(self, world: World) -> None:
        world.executor.apply_service(spec(replicas=1))
        (first,) = wait_for_ready(world, 1)
        pid = ask(first)[0]
        world.executor.apply_service(spec(replicas=3))
        assert first.id in {replica.id for replica in wait_for_ready(world, 3)}
        world.executor.apply_service(spec(replicas=1))
        self.release_all(world, 1)
        (left,) = wait_for_ready(world, 1)
        assert (left.id, ask(left)[0]) == (first.id, pid)
        world.executor.apply_service(spec(replicas=0))
        self.release_all(world, 0)
        assert world.executor.service("web").wanted == 0

    def release_all(self, world: World, left: int) -> None:
        """Confirm, as a controller does, that those that retire get no traffic, until only `left` are there."""

        def check() -> bool:
            state = world.executor.service("web")
            retiring = {replica.id for replica in state.replicas if replica.phase is ReplicaPhase.RETIRING}
            world.executor.release_replicas("web", frozenset(retiring))
            return len(state.replicas) == left

        wait_until(check, what=f"{left} replicas are left")

    def test_a_new_revision_replaces_the_old_one_without_a_gap(self, world: World) -> None:
        world.executor.apply_service(spec(replicas=2, environment={"WORD": "old"}))
        old = {ask(replica)[0] for replica in wait_for_ready(world, 2)}
        with callers(world) as failures:
            world.executor.apply_service(spec(replicas=2, environment={"WORD": "new"}))

            def is_new(state: ServiceState) -> bool:
                retiring = {replica.id for replica in state.replicas if replica.phase is ReplicaPhase.RETIRING}
                world.executor.release_replicas("web", frozenset(retiring))
                return len(state.replicas) == 2 and all(replica.revision == state.revision for replica in ready(state))

            wait_for_state(world, lambda state: is_new(state) and len(ready(state)) == 2, "the new revision serves")
        assert failures == []
        assert {ask(replica)[1] for replica in wait_for_ready(world, 2)} == {"new"}
        assert not any(is_running(pid) for pid in old)

    def test_a_retiring_replica_serves_until_it_is_released(self, world: World) -> None:
        world.executor.apply_service(spec(environment={"WORD": "old"}))
        (old,) = wait_for_ready(world, 1)
        world.executor.apply_service(spec(environment={"WORD": "new"}))

        def is_retired(state: ServiceState) -> bool:
            return old.id not in [replica.id for replica in ready(state)]

        state = wait_for_state(world, is_retired, "the old one retires")
        assert {replica.id: replica.phase for replica in state.replicas}[old.id] is ReplicaPhase.RETIRING
        assert ask(old)[1] == "old"
        self.release_all(world, 1)

    def test_a_revision_that_cannot_start_leaves_the_old_one_serving(self, world: World) -> None:
        world.executor.apply_service(spec())
        (old,) = wait_for_ready(world, 1)
        world.executor.apply_service(spec(argv=CRASHES))
        state = wait_for_state(world, lambda state: state.failure is not None, "the failure is told")
        assert [replica.id for replica in ready(state)] == [old.id]
        world.executor.apply_service(spec())
        wait_for_ready(world, 1)
        assert world.executor.service("web").failure is None

    def test_a_rollout_proceeds_on_a_full_machine(self, world: World) -> None:
        full = Resources(2.0, 64 * MEBIBYTE)
        world.executor.apply_service(spec(resources=full, environment={"WORD": "old"}))
        wait_for_ready(world, 1)
        world.executor.apply_service(spec(resources=full, environment={"WORD": "new"}))
        wait_for_state(world, lambda state: len(ready(state)) == 1 and len(state.replicas) == 2, "the new one is ready")
        self.release_all(world, 1)
        assert world.executor.capacity().held == full

    def test_a_replica_waits_for_room_and_says_so(self, world: World) -> None:
        world.shell("sleep 60", "holder", resources=Resources(2, MEBIBYTE), title="big")
        world.wait_for("holder", JobPhase.RUNNING)
        world.executor.apply_service(spec())
        state = wait_for_state(world, lambda state: len(state.replicas) == 1, "the replica is there")
        assert state.replicas[0].phase is ReplicaPhase.PENDING
        assert "2 of 2 are held by alice/big" in state.replicas[0].message
        world.executor.stop("holder")
        wait_for_ready(world, 1)

    def test_replicas_live_through_a_restart_of_the_platform(self, world: World) -> None:
        world.executor.apply_service(spec(replicas=2))
        before = {replica.id: ask(replica) for replica in wait_for_ready(world, 2)}
        held = world.executor.capacity().held
        world.restart()
        state = world.executor.service("web")
        assert {replica.id for replica in ready(state)} == set(before), "ready at once: callers notice nothing"
        assert {replica.id: ask(replica) for replica in state.replicas} == before
        assert world.executor.capacity().held == held

    def test_a_replica_that_died_meanwhile_is_started_again(self, world: World) -> None:
        world.executor.apply_service(spec())
        (replica,) = wait_for_ready(world, 1)
        pid = ask(replica)[0]
        world.executor.close()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_running(pid), what="it is dead")
        world.restart()
        wait_for_state(world, lambda state: state.replicas[0].restarts == 1, "it is started again")
        (again,) = wait_for_ready(world, 1)
        assert ask(again)[0] != pid

    def test_a_removed_service_leaves_nothing(self, world: World) -> None:
        world.executor.apply_service(spec(replicas=2))
        replicas = wait_for_ready(world, 2)
        pids = [ask(replica)[0] for replica in replicas]
        world.executor.remove_service("web")
        world.executor.remove_service("web")
        with pytest.raises(UnknownService):
            world.executor.service("web")
        wait_until(lambda: not any(is_running(pid) for pid in pids), what="the replicas end")
        wait_until(lambda: world.executor.capacity().held == Resources(0, 0, 0), what="their room is given back")
        sockets = [Path(replica.address.removeprefix("unix:")) for replica in replicas]
        wait_until(lambda: not any(path.exists() for path in sockets), what="the sockets are gone")
        assert world.executor.services() == []

    def test_a_service_removed_and_applied_again_comes_back(self, world: World) -> None:
        world.executor.apply_service(spec())
        wait_for_ready(world, 1)
        world.executor.remove_service("web")
        world.executor.apply_service(spec(environment={"WORD": "again"}))
        wait_for_state(world, lambda state: [ask(one)[1] for one in ready(state)] == ["again"], "it serves again")

    def test_what_cannot_be_served_is_refused(self, world: World) -> None:
        with pytest.raises(Unschedulable):
            world.executor.apply_service(spec(resources=Resources(64, MEBIBYTE)))
        for fields in ({"argv": ()}, {"replicas": -1}, {"ready_path": "health"}, {"id": "../web"}):
            with pytest.raises(Invalid):
                world.executor.apply_service(spec(**fields))
        assert world.executor.services() == []
