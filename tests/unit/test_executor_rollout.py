"""The roll-out's steps, driven through every order in which replicas can become ready or crash."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from orrery.executors.contract import Replica, ReplicaPhase, ServiceState
from orrery.executors.rollout import SURGE, Plan, Seen, plan

READY, STARTING, PENDING = ReplicaPhase.READY, ReplicaPhase.STARTING, ReplicaPhase.PENDING
BACKING_OFF, RETIRING = ReplicaPhase.BACKING_OFF, ReplicaPhase.RETIRING


def old(name: str, phase: ReplicaPhase = READY, *, proven: bool = True) -> Seen:
    return Seen(name, int(name[1:]), False, phase, proven)


def new(name: str, phase: ReplicaPhase = READY) -> Seen:
    return Seen(name, 100 + int(name[1:]), True, phase, phase is READY)


def test_a_first_deployment_starts_all_at_once() -> None:
    assert plan(3, []) == Plan(start=3)


def test_a_rollout_starts_one_beside_those_that_serve() -> None:
    assert plan(2, [old("o1"), old("o2")]) == Plan(start=1)
    assert plan(2, [old("o1"), old("o2"), new("n1", STARTING)]) == Plan()


def test_a_ready_new_one_lets_the_oldest_retire_and_the_next_start() -> None:
    assert plan(2, [old("o1"), old("o2"), new("n1")]) == Plan(start=1, retire=("o1",))


def test_the_last_old_one_retires_last() -> None:
    assert plan(1, [old("o1"), new("n1")]) == Plan(retire=("o1",))
    assert plan(1, [old("o1", RETIRING), new("n1")]) == Plan()


def test_a_new_revision_that_crashes_changes_nothing() -> None:
    assert plan(1, [old("o1"), new("n1", BACKING_OFF)]) == Plan()


def test_an_old_one_that_never_served_is_ended_at_once() -> None:
    assert plan(1, [old("o1", BACKING_OFF, proven=False)]) == Plan(start=1, end=("o1",))


def test_an_old_one_that_crashed_while_it_is_needed_is_kept() -> None:
    assert plan(1, [old("o1", BACKING_OFF), new("n1", STARTING)]) == Plan()


def test_scaling_down_ends_those_that_do_not_serve_first_then_the_youngest() -> None:
    assert plan(1, [new("n1"), new("n2"), new("n3", STARTING)]) == Plan(retire=("n2",), end=("n3",))


def test_scaling_to_nothing_takes_old_and_new() -> None:
    assert plan(0, [old("o1"), new("n1", PENDING)]) == Plan(retire=("o1",), end=("n1",))


@settings(max_examples=300)
@given(st.data())
def test_every_rollout_converges_without_a_gap(data: st.DataObject) -> None:
    wanted = data.draw(st.integers(1, 4))
    before = data.draw(st.integers(1, 4))
    replicas = {f"o{index}": old(f"o{index}") for index in range(before)}
    names = iter(range(1000))
    for _ in range(100):
        step = plan(wanted, list(replicas.values()))
        for name in step.retire + step.end:
            del replicas[name]
        for _ in range(step.start):
            name = f"n{next(names)}"
            replicas[name] = new(name, STARTING)
        ready = [one for one in replicas.values() if one.phase is READY]
        assert len(ready) >= min(wanted, before)
        assert len(replicas) <= max(before, wanted + SURGE)
        if len(ready) == len(replicas) == wanted and all(one.current for one in ready):
            return
        waiting = [name for name, one in replicas.items() if one.phase is STARTING]
        if waiting:
            name = data.draw(st.sampled_from(waiting))
            replicas[name] = new(name, READY)
    raise AssertionError(f"no end of it: {replicas}")


def test_replicas_hold_their_part_from_their_start_to_their_end() -> None:
    replicas = tuple(Replica(phase.value, "r", phase, "unix:/s") for phase in ReplicaPhase)
    assert ServiceState("svc", "r", len(replicas), replicas).holding == len(replicas) - 1
    assert ServiceState("svc", "r", 1, (Replica("a", "r", ReplicaPhase.PENDING, "unix:/s"),)).holding == 0
