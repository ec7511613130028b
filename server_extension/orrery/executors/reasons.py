"""Why somebody waits, in words a person can act on: who holds what, whose limit, whose turn. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from orrery.executors import policy, queue
from orrery.executors.contract import Resources
from orrery.executors.policy import Tally
from orrery.executors.queue import Ledger
from orrery.executors.shares import OVERDUE_RANK, Claim
from orrery.executors.words import human_bytes

#: the reason of whoever fits
STARTS: Final = "starts in a moment"
#: so many holders are named
NAMED: Final = 3


def explain(claim: Claim, ledger: Ledger) -> str:
    """Why it does not start: the pause, a limit, or "waits for 2 cores: 2 of 2 are held by alice/breast-1"."""
    return _explain(claim, ledger, queue.tally(ledger.holders, ledger.rules))[0]


def _explain(claim: Claim, ledger: Ledger, held: Tally) -> tuple[str, bool]:
    """The reason, and whether it is one of room and turn, which concerns those behind it as well."""
    if ledger.rules.pause is not None and not claim.is_service:
        return f"nothing starts: {ledger.rules.pause}", False
    over = held.over(claim.owner, queue.wants(claim, ledger.holders))
    if over is not None:
        return _explain_limit(*over, ledger, held), False
    return _explain_room(claim, ledger), True


def _explain_limit(bound: policy.Bound, name: str, ledger: Ledger, held: Tally) -> str:
    taken = held.held.get(bound.whose, {}).get(name, 0)
    under = [
        holder
        for holder in ledger.holders.values()
        if any(other.whose == bound.whose for other in held.bounds(holder.owner))
        and queue.wants(holder, ledger.holders)[name] > 0
    ]
    names = _names(under) if under else "nobody"
    allowed = policy.words(name, getattr(bound.limit, name))
    return f"waits for {bound.words()} of {allowed}: {policy.words(name, taken)} held by {names}"


def _explain_room(claim: Claim, ledger: Ledger) -> str:
    reasons: list[str] = []
    needed, has, taken = queue.need(claim, ledger.holders), ledger.capacity, ledger.held()
    for kind in ("cores", "memory_bytes", "gpus"):
        amount, there_is, used = (getattr(resources, kind) for resources in (needed, has, taken))
        if amount <= there_is - used + queue.EPSILON:
            continue
        holders = sorted(ledger.holders.values(), key=lambda holder: -getattr(holder.resources, kind))
        names = _names([holder for holder in holders if getattr(holder.resources, kind) > 0])
        size = human_bytes
        part = f"{size(used)} of {size(there_is)}" if kind == "memory_bytes" else f"{used:g} of {there_is:g}"
        reasons.append(f"{policy.words(kind, amount)}: {part} are held by {names}")
    return f"waits for {'; for '.join(reasons)}" if reasons else STARTS


def _names(holders: list[Claim]) -> str:
    names = [holder.name for holder in holders]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def explain_line(ledger: Ledger, now: float) -> Iterator[tuple[Claim, str]]:
    """Everybody in line with the reason, in order. Claims that need the same are worked out once."""
    first: Claim | None = None
    known: dict[tuple[str, Resources, bool], tuple[str, bool]] = {}
    held = queue.tally(ledger.holders, ledger.rules)
    for place, claim in enumerate(ledger.in_order(now), start=1):
        like = (claim.owner, queue.need(claim, ledger.holders), claim.is_service)
        if like not in known:
            known[like] = _explain(claim, ledger, held)
        reason, is_room = known[like]
        if first is None and is_room:
            first = claim
        elif first is not None and is_room and reason == STARTS:
            why = explain_turn(first, claim, ledger, now)
            reason = f"waits its turn, number {place}: what is free is kept for {first.name}, {why}"
        elif first is not None and is_room:
            reason += f"; number {place} in line, {first.name} is next"
        yield claim, reason


def explain_newcomer(claim: Claim, ledger: Ledger, now: float) -> str:
    """Why it would wait if it came now; empty where it would start at once. `ledger` is consumed."""
    ledger.line.add(claim)
    untried = ledger.copy()
    if any(admitted.id == claim.id for admitted in ledger.admit(now)):
        return ""
    return next((reason for other, reason in explain_line(untried, now) if other.id == claim.id), STARTS)


def explain_turn(first: Claim, claim: Claim, ledger: Ledger, now: float) -> str:
    """Why the first comes before the other."""
    if first.is_service and not claim.is_service:
        return "a replica of an endpoint, and these come before jobs"
    rank, other = first.rank_at(now), claim.rank_at(now)
    if rank > other:
        aged = first.rank < rank
        return "which has waited for so long that it comes first" if aged else "which has the higher priority"
    if rank < OVERDUE_RANK and first.owner != claim.owner:
        return f"for {first.owner} has had less of the machine of late"
    return "which came first"
