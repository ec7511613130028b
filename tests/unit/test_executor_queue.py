"""Admission: the order, the floor, overtaking, and the words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orrery.errors import Unschedulable
from orrery.executors.contract import Priority, Resources
from orrery.executors.queue import SERVICE_RANK, Claim, Ledger, admit, check_schedulable, fits, subtract, total
from orrery.executors.reasons import explain

MACHINE = Resources(4, 16 << 30, 1)
NOW = 1_000_000.0


def claim(
    name: str,
    cores: float,
    sequence: int,
    *,
    rank: int = 1,
    gpus: int = 0,
    replaces: str | None = None,
    overtook: bool = False,
) -> Claim:
    resources = Resources(cores, 1 << 30, gpus)
    return Claim(name, f"alice/{name}", resources, rank, sequence, replaces, "alice", NOW, overtook)


def ledger(*holders: Claim) -> Ledger:
    made = Ledger(MACHINE, ["0"])
    for holder in holders:
        made.hold(holder, NOW)
    return made


def admitted(made: Ledger, *waiting: Claim) -> list[str]:
    for one in waiting:
        made.line.add(one)
    return [one.id for one in made.admit(NOW)]


def test_all_that_fit_start_in_order() -> None:
    assert admitted(ledger(), claim("b", 2, 2), claim("a", 2, 1), claim("c", 1, 3)) == ["a", "b"]


def test_priority_comes_before_age_and_services_before_jobs() -> None:
    made = ledger()
    waiting = [
        claim("old", 4, 1, rank=Priority.NORMAL),
        claim("high", 4, 2, rank=Priority.HIGH),
        claim("replica", 4, 3, rank=SERVICE_RANK),
    ]
    assert admitted(made, *waiting) == ["replica"]
    assert [one.id for one in made.in_order(NOW)] == ["high", "old"]


def test_a_small_job_does_not_take_what_the_first_in_line_waits_for() -> None:
    made = ledger(claim("runs", 2, 0))
    assert admitted(made, claim("big", 4, 1), claim("small", 1, 2)) == []


def test_a_small_job_overtakes_with_what_is_left_over() -> None:
    made = ledger(claim("runs", 2, 0))
    assert admitted(made, claim("big", 3, 1), claim("small", 1, 2), claim("tiny", 0.5, 3)) == ["small"]


def test_those_who_overtook_count_against_later_ones() -> None:
    made = ledger(claim("runs", 2, 0), claim("overtook", 1, 5, overtook=True))
    assert admitted(made, claim("big", 3, 1), claim("small", 1, 6)) == []


def test_a_job_that_waits_for_a_gpu_does_not_hold_up_the_others() -> None:
    made = ledger(claim("trains", 1, 0, gpus=1))
    assert admitted(made, claim("gpu", 1, 1, gpus=1), claim("cpu", 2, 2)) == ["cpu"]


def test_a_successor_shares_the_cores_of_whom_it_replaces() -> None:
    old = claim("old", 4, 0, rank=SERVICE_RANK)
    made = ledger(old)
    assert admitted(made, claim("new", 4, 1, rank=SERVICE_RANK, replaces="old")) == ["new"]
    assert made.held().cores == 4
    made.release("old", NOW)
    assert made.held().cores == 4
    made.release("new", NOW)
    assert made.held() == Resources(0, 0, 0)


def test_gpus_are_told_apart_and_given_back() -> None:
    made = Ledger(Resources(8, 1 << 40, 3), ["0", "1", "2"])
    for name, gpus in (("a", 2), ("b", 1)):
        made.hold(claim(name, 1, 0, gpus=gpus), NOW)
    assert (made.gpus_of("a"), made.gpus_of("b")) == (("0", "1"), ("2",))
    made.release("a", NOW)
    made.hold(claim("c", 1, 0, gpus=1), NOW)
    assert made.gpus_of("c") == ("0",)
    made.hold(claim("adopted", 1, 0, gpus=1), NOW, gpus=["1"])
    assert made.gpus_of("adopted") == ("1",)


def test_the_reason_names_who_holds_what_is_missing() -> None:
    made = ledger(claim("breast-1", 3, 0), claim("wine", 1, 1))
    assert explain(claim("next", 2, 2), made) == "waits for 2 cores: 4 of 4 are held by alice/breast-1, alice/wine"


def test_more_than_the_machine_is_refused_with_both_figures() -> None:
    with pytest.raises(Unschedulable, match=r"8 cores asked for; this machine has 4 cores in all: ask for less"):
        check_schedulable(Resources(8, 1), MACHINE)


amounts = st.builds(Resources, st.sampled_from([0.5, 1.0, 2.0, 4.0]), st.integers(0, 16 << 30), st.integers(0, 1))


@given(
    st.lists(st.tuples(amounts, st.sampled_from([0, 1, 2, SERVICE_RANK]), st.sampled_from("abc")), max_size=12),
    st.lists(amounts, max_size=4),
)
def test_the_machine_is_never_overbooked_and_the_first_in_line_is_never_delayed(
    waiting: list[tuple[Resources, int, str]], running: list[Resources]
) -> None:
    made = Ledger(MACHINE, ["0"])
    for index, resources in enumerate(running):
        candidate = Claim(f"r{index}", "r", resources, SERVICE_RANK, index, owner="r")
        if fits(resources, subtract(MACHINE, made.held())):
            made.hold(candidate, NOW)
    for index, (resources, rank, owner) in enumerate(waiting):
        made.line.add(Claim(f"w{index}", "w", resources, rank, 100 + index, owner=owner, since=NOW))
    order = [one.id for one in made.in_order(NOW)]
    assert sorted(order) == sorted(one.id for one in made.line)
    given_room = made.admit(NOW)
    assert fits(made.held(), MACHINE)
    left = [one for name in order for one in made.line if one.id == name]
    if left:
        # Once all that ran before has ended, the first that waits fits beside everybody that was admitted past it.
        first = left[0]
        passed = [one for one in given_room if order.index(one.id) > order.index(first.id)]
        assert all(one.overtook for one in passed)
        assert fits(total([*passed, first], {}), MACHINE)
        assert not fits(first.resources, subtract(MACHINE, made.held()))
        # what was admitted now changes whose turn it is next, but not that of the one with the floor
        assert admit(iter(left), made.holders, MACHINE) == []
