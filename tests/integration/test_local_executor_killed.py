"""`kill -9` of an executor's process at random moments: nothing acknowledged is lost, started twice or left running."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from orrery.executors import folders
from orrery.executors.contract import ExitReason, JobPhase, ReplicaPhase, Resources
from orrery.executors.local import LocalExecutor
from orrery.testing.executor_services import ask
from orrery.testing.executors import FolderObjects
from orrery.testing.waiting import wait_until

ROUNDS = 24
SEED = 20261121


def run_and_kill(home: Path, prefix: str, oid: str, chance: random.Random) -> set[str]:
    """Let a platform run until a random moment, kill it, and return the jobs that it had acknowledged."""
    victim = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("executor_victim.py")), str(home), prefix, oid],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert victim.stdout is not None
    with victim, victim.stdout as output:
        assert output.readline() == "started\n"
        # By the number of acknowledgements, and a moment beyond: an offset that is different in each round.
        lines = [output.readline() for _ in range(chance.randrange(0, 12))]
        with_delay = chance.random() * 0.08
        try:
            victim.wait(with_delay)
        except subprocess.TimeoutExpired:
            victim.send_signal(signal.SIGKILL)
        lines += output.readlines()
    return {line.split()[1] for line in lines if line.startswith("acknowledged") and line.endswith("\n")}


def processes_of(home: Path) -> list[str]:
    """Every process but this one that carries the home in its environment or its command line."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            texts = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(home) in texts:
            found.append(f"{entry.name}: {texts[-200:]!r}")
    return found


def test_killed_at_random_moments_every_acknowledged_job_runs_exactly_once(home: Path) -> None:
    chance = random.Random(SEED)
    objects = FolderObjects(home / "test-objects")
    oid = objects.put(b"input")
    acknowledged: set[str] = set()
    for number in range(ROUNDS):
        acknowledged |= run_and_kill(home, f"round{number}", oid, chance)
    assert len(acknowledged) > ROUNDS

    executor = LocalExecutor(home, objects, capacity=Resources(cores=4, memory_bytes=4 << 30), preload=False)
    executor.start()
    try:
        wait_until(
            lambda: all(state.phase is JobPhase.ENDED for state in executor.jobs()), what="all jobs end", seconds=120
        )
        states = {state.id: state for state in executor.jobs()}
        assert acknowledged <= set(states)
        reasons = Counter(state.exit.reason for state in states.values() if state.exit)
        assert reasons == {ExitReason.COMPLETED: len(states)}
        starts = Counter((home / "starts").read_text().split())
        assert starts == dict.fromkeys(states, 1)

        def one_replica_serves() -> bool:
            service = executor.service("web")
            executor.release_replicas("web", frozenset(replica.id for replica in service.replicas))
            return [replica.phase for replica in service.replicas] == [ReplicaPhase.READY]

        wait_until(one_replica_serves, what="the last revision serves")
        (replica,) = executor.service("web").replicas
        assert ask(replica)[1].startswith("round")
        executor.remove_service("web")
        wait_until(lambda: executor.capacity().held == Resources(0, 0, 0), what="all room is given back")
    finally:
        executor.close()
    wait_until(lambda: not processes_of(home), what="no process of any round is left")
    assert all(folders.read_exit(folder) for folder in (home / "jobs").iterdir() if not folder.name.startswith("."))
