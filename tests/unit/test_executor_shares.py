"""Whose turn it is, limits, pauses, the words for them, and when those who wait will start: on a clock of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orrery.errors import Invalid, Unschedulable
from orrery.executors.contract import Priority, Resources
from orrery.executors.forecast import Forecast
from orrery.executors.policy import Limit, Limits, Pause, Rules, changed, limits_to_json, rules_from_json, rules_to_json
from orrery.executors.queue import Ledger
from orrery.executors.reasons import STARTS, explain_line
from orrery.executors.rulebook import RuleBook
from orrery.executors.shares import AGEING_SECONDS, SERVICE_RANK, Claim

NOW = 1_000_000.0
GIBIBYTE = 1 << 30


def job(owner: str, number: int, *, cores: float = 1, rank: int = Priority.NORMAL, since: float = NOW) -> Claim:
    name = f"{owner}{number}"
    return Claim(name, f"{owner}/{name}", Resources(cores, GIBIBYTE), rank, number, None, owner, since)


def ledger(cores: float = 1, rules: Rules | None = None) -> Ledger:
    made = Ledger(Resources(cores, 64 * GIBIBYTE, 0), [])
    made.rules = rules or Rules()
    return made


def play(made: Ledger, seconds: float, arrivals: dict[float, list[Claim]] | None = None) -> list[tuple[float, str]]:
    """Every job lasts `seconds`; returns (when, who) of each start until nothing waits."""
    arrivals = dict(arrivals or {})
    now, started, ends = NOW, list[tuple[float, str]](), list[tuple[float, str]]()
    while True:
        for claim in arrivals.pop(now, []):
            made.line.add(claim)
        for claim in made.admit(now):
            started.append((now - NOW, claim.id))
            ends.append((now + seconds, claim.id))
        moments = [*arrivals, *(at for at, _ in ends)]
        if not moments or (not arrivals and not len(made.line)):
            return started
        now = min(moments)
        for at, name in sorted(ends):
            if at <= now:
                made.release(name, now)
        ends = [(at, name) for at, name in ends if at > now]


def reasons(made: Ledger, now: float = NOW) -> dict[str, str]:
    return {claim.id: reason for claim, reason in explain_line(made, now)}


def waits_of(started: Iterable[tuple[float, str]], owner: str) -> list[int]:
    """How many of others start before each of the owner's, since the one before."""
    passed, found = 0, list[int]()
    for _, name in started:
        if name.startswith(owner):
            found.append(passed)
            passed = 0
        else:
            passed += 1
    return found


@given(st.integers(1, 2000), st.integers(0, 2000))
def test_the_second_of_two_users_waits_for_no_more_than_one_job(seconds: int, comes_after: int) -> None:
    made = ledger()
    for number in range(100):
        made.line.add(job("alice", number))
    comes = NOW + comes_after
    started = play(made, seconds, {comes: [job("bob", 500), job("bob", 501)]})
    if comes_after >= 100 * seconds:
        return  # nothing waited any more
    before = [entry for entry in started if entry[0] < comes_after or entry[1].startswith("alice")]
    since = [entry for entry in started if entry[0] >= comes_after]
    assert len(before) >= 100
    assert all(passed <= 1 for passed in waits_of(since, "bob"))


def test_two_users_with_many_jobs_take_turns() -> None:
    made = ledger()
    for number in range(4):
        made.line.add(job("alice", number))
    for number in range(4):
        made.line.add(job("bob", 100 + number))
    assert [name[:-1].rstrip("0123456789") for _, name in play(made, 60)] == ["alice", "bob"] * 4


def test_several_that_start_at_once_are_shared_out() -> None:
    made = ledger(cores=4)
    for number in range(4):
        made.line.add(job("alice", number))
    for number in range(4):
        made.line.add(job("bob", 100 + number))
    assert sorted(claim.owner for claim in made.admit(NOW)) == ["alice", "alice", "bob", "bob"]


def test_a_user_with_twice_the_share_gets_twice_as_much() -> None:
    made = ledger(cores=6, rules=Rules(Limits(users={"alice": Limit(share=2)})))
    for number in range(10):
        made.line.add(job("alice", number))
        made.line.add(job("bob", 100 + number))
    assert sorted(claim.owner for claim in made.admit(NOW)) == ["alice"] * 4 + ["bob"] * 2


def test_what_was_used_is_forgotten_in_time() -> None:
    made = ledger()
    made.hold(job("alice", 1), NOW)
    made.release("alice1", NOW + 300)
    soon, late = made.accounts.had("alice", NOW + 300), made.accounts.had("alice", NOW + 300 + 600)
    assert 250 < soon < 300
    assert late == pytest.approx(soon / 2)


def test_priority_comes_before_turns() -> None:
    made = ledger()
    made.hold(replace(job("alice", 0)), NOW - 50)
    made.line.add(job("bob", 1))
    made.line.add(job("alice", 2, rank=Priority.HIGH))
    assert [claim.id for claim in made.in_order(NOW)] == ["alice2", "bob1"]


def test_a_low_priority_rises_with_its_age_until_it_is_first() -> None:
    made = ledger()
    made.line.add(job("alice", 1, rank=Priority.LOW, since=NOW))
    made.line.add(job("bob", 2, rank=Priority.HIGH, since=NOW + 3 * AGEING_SECONDS))
    made.line.add(job("carol", 3, rank=Priority.NORMAL, since=NOW + 3 * AGEING_SECONDS))
    assert [claim.id for claim in made.in_order(NOW)] == ["bob2", "carol3", "alice1"]
    assert [claim.id for claim in made.in_order(NOW + AGEING_SECONDS)] == ["bob2", "alice1", "carol3"]
    assert [claim.id for claim in made.in_order(NOW + 3 * AGEING_SECONDS)] == ["alice1", "bob2", "carol3"]


claims = st.builds(
    job,
    st.sampled_from("abc"),
    st.integers(0, 10_000),
    rank=st.sampled_from([*Priority, SERVICE_RANK]),
    since=st.floats(NOW - 5 * AGEING_SECONDS, NOW),
)


@given(st.lists(claims, unique_by=lambda claim: claim.id, max_size=20), st.permutations(range(20)))
def test_the_order_is_one_and_the_same_however_they_came_in(waiting: list[Claim], shuffled: list[int]) -> None:
    one, other = ledger(), ledger()
    for claim in waiting:
        one.line.add(claim)
    for place in shuffled:
        if place < len(waiting):
            other.line.add(waiting[place])
    order = list(one.in_order(NOW))
    assert order == list(other.in_order(NOW))
    ranks = [claim.rank_at(NOW) for claim in order]
    assert sorted(claim.id for claim in order) == sorted(claim.id for claim in waiting)
    # of one user and priority nobody passes an older one
    for rank in set(ranks):
        for owner in "abc":
            mine = [claim.sequence for claim in order if (claim.rank, claim.owner) == (rank, owner)]
            assert mine == sorted(mine)


def test_a_full_limit_holds_back_its_user_and_nobody_else() -> None:
    made = ledger(cores=8, rules=Rules(Limits(users={"alice": Limit(jobs=2)})))
    for number in range(4):
        made.line.add(job("alice", number))
    made.line.add(job("bob", 100))
    assert sorted(claim.id for claim in made.admit(NOW)) == ["alice0", "alice1", "bob100"]
    assert (
        reasons(made)["alice2"] == "waits for alice's limit of 2 running jobs: "
        "2 running jobs held by alice/alice0, alice/alice1"
    )
    made.release("alice0", NOW)
    assert [claim.id for claim in made.admit(NOW)] == ["alice2"]


def test_a_groups_limit_counts_what_all_its_members_hold() -> None:
    rules = Rules(Limits(groups={"students": Limit(cores=3)}), members={"alice": ("students",), "bob": ("students",)})
    made = ledger(cores=8, rules=rules)
    for claim in (job("alice", 1, cores=2), job("bob", 2, cores=2), job("carol", 3, cores=2)):
        made.line.add(claim)
    assert sorted(claim.id for claim in made.admit(NOW)) == ["alice1", "carol3"]
    assert reasons(made)["bob2"] == "waits for the limit of group students of 3 cores: 2 cores held by alice/alice1"


def test_ones_own_small_jobs_do_not_starve_ones_big_one_at_a_limit() -> None:
    made = ledger(cores=8, rules=Rules(Limits(everyone=Limit(cores=4))))
    for claim in (job("alice", 1, cores=2), job("alice", 2, cores=2)):
        made.hold(claim, NOW)
    made.line.add(job("alice", 3, cores=4))
    made.line.add(job("alice", 4, cores=2))
    made.release("alice1", NOW)
    assert made.admit(NOW) == []
    made.release("alice2", NOW)
    assert [claim.id for claim in made.admit(NOW)] == ["alice3"]


def test_what_can_never_fit_a_limit_is_refused_with_the_remedy() -> None:
    rules = Rules(Limits(everyone=Limit(gpus=0, cores=2), groups={"students": Limit(memory_bytes=2 * GIBIBYTE)}))
    with pytest.raises(Unschedulable, match=r"4 cores asked for; alice's limit is 2 cores: choose a smaller instance"):
        rules.check("alice", Resources(4, 1))
    with pytest.raises(Unschedulable, match=r"1 GPU asked for; alice's limit is 0 GPUs"):
        rules.check("alice", Resources(1, 1, 1))
    with pytest.raises(Unschedulable, match="4 GiB of memory asked for; the limit of group students is 2 GiB"):
        rules.check("students", Resources(1, 4 * GIBIBYTE))
    rules.check("alice", Resources(2, 64 * GIBIBYTE))


def test_while_it_is_paused_only_replicas_start() -> None:
    made = ledger(cores=4, rules=Rules(pause=Pause("root", NOW, "new disks")))
    made.line.add(job("alice", 1))
    made.line.add(replace(job("bob", 2), rank=SERVICE_RANK))
    assert [claim.id for claim in made.admit(NOW)] == ["bob2"]
    assert reasons(made)["alice1"] == "nothing starts: the queue is paused by root: new disks"


def test_the_words_say_whose_turn_it_is() -> None:
    made = ledger()
    made.hold(job("alice", 0), NOW - 60)
    made.line.add(job("alice", 1))
    made.line.add(job("bob", 2))
    assert reasons(made) == {
        "bob2": "waits for 1 core: 1 of 1 are held by alice/alice0",
        "alice1": "waits for 1 core: 1 of 1 are held by alice/alice0; number 2 in line, bob/bob2 is next",
    }
    made.release("alice0", NOW)
    assert reasons(made) == {
        "bob2": STARTS,
        "alice1": "waits its turn, number 2: what is free is kept for bob/bob2, for bob has had less of the machine "
        "of late",
    }
    made.line.add(job("carol", 3, rank=Priority.HIGH))
    assert reasons(made)["bob2"].endswith("is kept for carol/carol3, which has the higher priority")


def test_the_start_is_foretold_from_what_is_known() -> None:
    made = ledger(cores=2)
    made.hold(job("alice", 0), NOW)
    made.hold(job("bob", 1), NOW)
    for claim in (job("alice", 2), job("bob", 3), job("carol", 4), job("carol", 5)):
        made.line.add(claim)
    expected = {"alice0": 100.0, "bob1": 30.0, "alice2": 50.0, "bob3": 50.0, "carol4": 10.0, "carol5": 10.0}
    assert Forecast(made.copy(), expected, NOW).starts(100) == {"carol4": 30, "carol5": 40, "bob3": 50, "alice2": 100}
    # nothing is said of those who need what an unknown one holds
    assert Forecast(made.copy(), {"bob1": 30.0, "carol4": 10.0}, NOW).starts(100) == {"carol4": 30, "carol5": 40}
    assert Forecast(made.copy(), {}, NOW).starts(100) == {}
    assert [claim.id for claim in made.admit(NOW)] == [], "the ledger itself was left alone"


def test_under_a_pause_no_start_is_foretold() -> None:
    made = ledger(rules=Rules(pause=Pause("root", NOW)))
    made.line.add(job("alice", 1))
    assert Forecast(made, {"alice1": 1.0}, NOW).starts(10) == {}


def test_limits_are_changed_field_by_field_and_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "queue.json"
    configured = Limits(everyone=Limit(cores=4, jobs=10), users={"bob": Limit(jobs=1)})
    book = RuleBook(path, configured)
    book.read()
    change = {"users": {"alice": {"cores": 8.0}, "bob": {"gpus": 0}}, "groups": {"students": {"jobs": 3}}}
    book.change(lambda rules: replace(rules, limits=changed(rules.limits, change), pause=Pause("root", NOW, "disks")))
    again = RuleBook(path, configured)
    again.read()
    assert again.rules == book.rules
    assert rules_from_json(rules_to_json(again.rules)) == again.rules
    assert again.rules.bounds("alice")[0].limit == Limit(cores=8, jobs=10)
    assert again.rules.bounds("bob")[0].limit == Limit(cores=4, gpus=0, jobs=1)
    again.change(lambda rules: replace(rules, limits=changed(rules.limits, {"users": {"alice": None}}), pause=None))
    assert limits_to_json(again.rules.limits) == {
        "everyone": {"cores": 4, "jobs": 10},
        "users": {"bob": {"gpus": 0, "jobs": 1}},
        "groups": {"students": {"jobs": 3}},
    }
    with pytest.raises(Invalid, match=r"users\.bob\.jobs is -1; it must be 0 or more, or null for none"):
        changed(Limits(), {"users": {"bob": {"jobs": -1}}})


def test_a_thousand_that_wait_are_ordered_quickly_and_only_as_far_as_needed() -> None:
    """Not by a clock: by how many claims are looked at."""
    made = ledger(cores=1)
    made.hold(job("alice", 0), NOW)
    for number in range(1000):
        made.line.add(job("ab"[number % 2] * 3, number + 1))
    looked_at = 0

    def counted() -> Iterable[Claim]:
        nonlocal looked_at
        for claim in Ledger.in_order(made, NOW):
            looked_at += 1
            yield claim

    made.in_order = lambda now: iter(counted())  # pyright: ignore[reportAttributeAccessIssue]
    assert made.admit(NOW) == []
    assert looked_at == 1
