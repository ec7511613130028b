"""Admission: who may start now. Pure: it reads no clock, no disk and no process.

Whose turn it is says `shares`; this says who of them starts:

1. In that order, whoever fits starts. Whoever would exceed a limit of theirs is passed over until something of theirs
   ends, with those of the same limit who come after and want the same.
2. The first in line that does not fit *has the floor*: whatever becomes free is kept for it.
3. A later one may overtake only with what is left over when everything the one with the floor asked for is set aside:
   everything that overtook before and still runs, plus the newcomer, plus its own claim must fit the machine. So
   overtaking never delays whoever has the floor.
4. While the queue is paused no job starts. Replicas of services do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from orrery.errors import Invalid, Unschedulable
from orrery.executors.contract import Resources
from orrery.executors.policy import Rules, Tally, amounts
from orrery.executors.shares import SERVICE_RANK, Accounts, Claim, Line
from orrery.executors.words import human_bytes

__all__ = ["SERVICE_RANK", "Claim", "Ledger", "Line", "admit", "check_schedulable", "fits", "need", "subtract", "total"]

#: cores are given in fractions: sums of them are compared with this tolerance
EPSILON = 1e-6


def add(left: Resources, right: Resources) -> Resources:
    return Resources(left.cores + right.cores, left.memory_bytes + right.memory_bytes, left.gpus + right.gpus)


def subtract(left: Resources, right: Resources) -> Resources:
    return Resources(left.cores - right.cores, left.memory_bytes - right.memory_bytes, left.gpus - right.gpus)


def need(claim: Claim, holders: Mapping[str, Claim]) -> Resources:
    """What the claim takes besides what is held: a successor shares the cores of whom it replaces, not the memory."""
    replaced = holders.get(claim.replaces) if claim.replaces is not None else None
    if replaced is None:
        return claim.resources
    wanted = claim.resources
    return Resources(max(0.0, wanted.cores - replaced.resources.cores), wanted.memory_bytes, wanted.gpus)


def total(claims: Iterable[Claim], holders: Mapping[str, Claim]) -> Resources:
    cores, memory, gpus = 0.0, 0, 0
    for claim in claims:
        taken = need(claim, holders)
        cores += taken.cores
        memory += taken.memory_bytes
        gpus += taken.gpus
    return Resources(cores, memory, gpus)


def fits(wanted: Resources, free: Resources) -> bool:
    return (
        wanted.cores <= free.cores + EPSILON and wanted.memory_bytes <= free.memory_bytes and wanted.gpus <= free.gpus
    )


def describe(kind: str, amount: float) -> str:
    if kind == "memory":
        return f"{human_bytes(amount)} of memory"
    return f"{amount:g} {kind}" if amount != 1 else f"1 {kind[:-1]}"


def _parts(resources: Resources) -> list[tuple[str, float]]:
    return [("cores", resources.cores), ("memory", resources.memory_bytes), ("GPUs", resources.gpus)]


def check_schedulable(wanted: Resources, capacity: Resources, *, is_service: bool = False) -> None:
    """A service may hold no core of its own: it computes only when it is asked.

    Raises: `Invalid` for an impossible amount, `Unschedulable` for more than the whole machine has.
    """
    for kind, amount in _parts(wanted):
        needs_some = kind == "cores" and not is_service
        if amount < 0 or (needs_some and not amount > 0) or amount != amount:
            raise Invalid(f"resources: {kind} is {amount!r}; it must be {'above' if needs_some else 'at least'} 0")
    for (kind, amount), (_, there_is) in zip(_parts(wanted), _parts(capacity), strict=True):
        if amount > there_is + EPSILON:
            raise Unschedulable(
                f"{describe(kind, amount)} asked for; this machine has {describe(kind, there_is)} in all: ask for less",
                resource=kind,
                asked=amount,
                available=there_is,
            )


def tally(holders: Mapping[str, Claim], rules: Rules) -> Tally:
    """What everybody under a limit holds."""
    made = Tally(rules)
    for holder in holders.values():
        made.add(holder.owner, wants(holder, holders))
    return made


def wants(claim: Claim, holders: Mapping[str, Claim]) -> dict[str, float]:
    return amounts(need(claim, holders), jobs=0 if claim.is_service else 1)


def admit(
    line: Iterable[Claim], holders: Mapping[str, Claim], capacity: Resources, rules: Rules | None = None
) -> list[Claim]:
    """Those of the line, given in order, who may start now. Stops looking as soon as nothing is left to give.

    Those who overtake are marked so.
    """
    rules = rules or Rules()
    free = subtract(capacity, total(holders.values(), holders))
    floor: Claim | None = None
    spare = free
    admitted: list[Claim] = []
    held = tally(holders, rules)
    for claim in line:
        if rules.pause is not None and not claim.is_service:
            continue
        wanted = need(claim, holders)
        amount = wants(claim, holders)
        if (over := held.over(claim.owner, amount)) is not None:
            held.keep(*over)
            continue
        if floor is None and fits(wanted, free):
            admitted.append(claim)
        elif floor is None:
            floor = claim
            past = [holder for holder in (*holders.values(), *admitted) if holder.overtook]
            spare = subtract(subtract(capacity, total(past, holders)), claim.resources)
        elif fits(wanted, free) and fits(wanted, spare):
            admitted.append(replace(claim, overtook=True))
            spare = subtract(spare, wanted)
        if admitted and admitted[-1].id == claim.id:
            free = subtract(free, wanted)
            held.add(claim.owner, amount)
        if floor is not None and is_used_up(free, spare):
            break
    return admitted


def is_used_up(*parts: Resources) -> bool:
    """Nobody fits: every claim takes some of the cores."""
    return any(part.cores <= EPSILON or part.memory_bytes < 0 for part in parts)


class Ledger:
    """Who holds what of the machine, who waits for what, and which GPU is whose. Not thread-safe.

    `now` is the time in seconds since 1970.
    """

    def __init__(self, capacity: Resources, gpus: Sequence[str]) -> None:
        self.capacity = capacity
        self.rules = Rules()
        self.line = Line()
        self.holders: dict[str, Claim] = {}
        self.accounts = Accounts(capacity)
        self._free_gpus = list(gpus)
        self._gpus: dict[str, tuple[str, ...]] = {}

    def held(self) -> Resources:
        return total(self.holders.values(), self.holders)

    def in_order(self, now: float) -> Iterator[Claim]:
        """Those who wait; nothing may be changed while it is read."""
        return self.line.in_order(self.accounts, self.rules.share, now)

    def admit(self, now: float) -> list[Claim]:
        """Give to all who may have: they leave the line and hold."""
        admitted = admit(self.in_order(now), self.holders, self.capacity, self.rules) if len(self.line) else []
        for claim in admitted:
            self.line.remove(claim.id)
            self.hold(claim, now)
        return admitted

    def hold(self, claim: Claim, now: float, gpus: Sequence[str] | None = None) -> None:
        """Note that the claim is held, with these very GPUs where it runs already."""
        if gpus is None:
            taken = tuple(self._free_gpus[: claim.resources.gpus])
        else:
            taken = tuple(gpus)
        self._free_gpus = [gpu for gpu in self._free_gpus if gpu not in taken]
        self._gpus[claim.id] = taken
        self.holders[claim.id] = claim
        self.accounts.hold(claim, now)

    def gpus_of(self, identifier: str) -> tuple[str, ...]:
        return self._gpus.get(identifier, ())

    def release(self, identifier: str, now: float) -> None:
        """Leave the line and give back what is held. Harmless for an id that has neither."""
        self.line.remove(identifier)
        if (claim := self.holders.pop(identifier, None)) is not None:
            self.accounts.release(claim, now)
            self._free_gpus = sorted({*self._free_gpus, *self._gpus.pop(identifier, ())}, key=natural)

    def copy(self) -> Ledger:
        """One to try things with; the claims are shared, for they never change."""
        made = Ledger(self.capacity, self._free_gpus)
        made.rules, made.line, made.holders = self.rules, Line(self.line), dict(self.holders)
        made.accounts, made._gpus = self.accounts.copy(), dict(self._gpus)
        return made


def natural(gpu: str) -> tuple[int, str]:
    return (int(gpu), gpu) if gpu.isdigit() else (1 << 30, gpu)
