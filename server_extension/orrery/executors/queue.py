"""Admission: who may start now, and why the others wait. Pure: it reads no clock, no disk and no process.

The rule, for people to rely on:

1. Higher priority first; within one priority, first come, first started.
2. The first in line that does not fit *has the floor*: whatever becomes free is kept for it.
3. A later one may overtake only with what is left over when everything the one with the floor asked for is set aside:
   everything that runs and stands behind it in line, plus the newcomer, plus its own claim must fit the machine.
   So overtaking never delays whoever has the floor.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orrery.errors import Invalid, Unschedulable
from orrery.executors.contract import Priority, Resources
from orrery.executors.shim import human_bytes

#: cores are given in fractions: sums of them are compared with this tolerance
EPSILON = 1e-6


@dataclass(frozen=True)
class Claim:
    """Somebody who holds, or waits for, a part of the machine."""

    id: str
    #: what people call it: "alice/breast-1"
    name: str
    resources: Resources
    #: services come before every job
    rank: int
    sequence: int
    #: of a roll-out: the holder that this one will replace, whose cores it shares until that one has gone
    replaces: str | None = None

    @property
    def order(self) -> tuple[int, int]:
        return (-self.rank, self.sequence)


#: the reason of whoever fits
STARTS = "starts in a moment"
#: the rank of a replica, before every priority of jobs
SERVICE_RANK = max(Priority) + 1


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


def check_schedulable(wanted: Resources, capacity: Resources) -> None:
    """Raises `Invalid` for an impossible amount, `Unschedulable` for more than the whole machine has."""
    for kind, amount in _parts(wanted):
        if amount < 0 or (kind == "cores" and not amount > 0) or amount != amount:
            raise Invalid(f"resources: {kind} is {amount!r}; it must be {'above' if kind == 'cores' else 'at least'} 0")
    for (kind, amount), (_, there_is) in zip(_parts(wanted), _parts(capacity), strict=True):
        if amount > there_is + EPSILON:
            raise Unschedulable(
                f"{describe(kind, amount)} asked for; this machine has {describe(kind, there_is)} in all: ask for less",
                resource=kind,
                asked=amount,
                available=there_is,
            )


class Line:
    """Those who wait, in order. Not thread-safe."""

    def __init__(self) -> None:
        self._order: list[tuple[int, int, str]] = []
        self._claims: dict[str, Claim] = {}

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._claims

    def __iter__(self) -> Iterator[Claim]:
        return (self._claims[identifier] for _, _, identifier in self._order)

    def add(self, claim: Claim) -> None:
        if claim.id not in self._claims:
            self._claims[claim.id] = claim
            bisect.insort(self._order, (*claim.order, claim.id))

    def remove(self, identifier: str) -> None:
        claim = self._claims.pop(identifier, None)
        if claim is not None:
            del self._order[bisect.bisect_left(self._order, (*claim.order, claim.id))]


def admit(line: Line, holders: Mapping[str, Claim], capacity: Resources) -> list[Claim]:
    """Those of the line who may start now, in order. Stops looking as soon as nothing is left to give."""
    free = subtract(capacity, total(holders.values(), holders))
    floor: Claim | None = None
    spare = free
    admitted: list[Claim] = []
    for claim in line:
        wanted = need(claim, holders)
        if floor is None and fits(wanted, free):
            admitted.append(claim)
            free = subtract(free, wanted)
        elif floor is None:
            floor = claim
            behind = total((holder for holder in holders.values() if holder.order > claim.order), holders)
            spare = subtract(subtract(capacity, behind), claim.resources)
        elif fits(wanted, free) and fits(wanted, spare):
            admitted.append(claim)
            free = subtract(free, wanted)
            spare = subtract(spare, wanted)
        if floor is not None and is_used_up(free, spare):
            break
    return admitted


def is_used_up(*parts: Resources) -> bool:
    """Nobody fits: every claim takes some of the cores."""
    return any(part.cores <= EPSILON or part.memory_bytes < 0 for part in parts)


def explain(claim: Claim, holders: Mapping[str, Claim], capacity: Resources) -> str:
    """What it waits for and who has it: "waits for 2 cores: 2 of 2 are held by alice/breast-1"."""
    held = total(holders.values(), holders)
    reasons: list[str] = []
    for (kind, amount), (_, has), (_, taken) in zip(
        _parts(need(claim, holders)), _parts(capacity), _parts(held), strict=True
    ):
        if amount <= has - taken + EPSILON:
            continue
        who = sorted(holders.values(), key=lambda holder: -_amount(holder, kind))
        names = [holder.name for holder in who if _amount(holder, kind) > 0]
        others = f" and {len(names) - 3} more" if len(names) > 3 else ""
        part = f"{human_bytes(taken)} of {human_bytes(has)}" if kind == "memory" else f"{taken:g} of {has:g}"
        reasons.append(f"{describe(kind, amount)}: {part} are held by {', '.join(names[:3])}{others}")
    return f"waits for {'; for '.join(reasons)}" if reasons else STARTS


def _amount(claim: Claim, kind: str) -> float:
    return dict(_parts(claim.resources))[kind]


def explain_line(line: Line, holders: Mapping[str, Claim], capacity: Resources) -> Iterator[tuple[Claim, str]]:
    """Everybody in line with the reason, in order. Claims that need the same are worked out once."""
    first: Claim | None = None
    known: dict[Resources, str] = {}
    for place, claim in enumerate(line, start=1):
        needed = need(claim, holders)
        if needed not in known:
            known[needed] = explain(claim, holders, capacity)
        reason = known[needed]
        if first is None:
            first = claim
        elif reason == STARTS:
            reason = f"waits its turn, number {place}: what is free is kept for {first.name}, which came first"
        else:
            reason += f"; number {place} in line, {first.name} is next"
        yield claim, reason


class Ledger:
    """Who holds what of the machine, who waits for what, and which GPU is whose. Not thread-safe."""

    def __init__(self, capacity: Resources, gpus: Sequence[str]) -> None:
        self.capacity = capacity
        self.line = Line()
        self.holders: dict[str, Claim] = {}
        self._free_gpus = list(gpus)
        self._gpus: dict[str, tuple[str, ...]] = {}

    def held(self) -> Resources:
        return total(self.holders.values(), self.holders)

    def admit(self) -> list[Claim]:
        """Give to all who may have: they leave the line and hold."""
        admitted = admit(self.line, self.holders, self.capacity) if len(self.line) else []
        for claim in admitted:
            self.line.remove(claim.id)
            self.hold(claim)
        return admitted

    def hold(self, claim: Claim, gpus: Sequence[str] | None = None) -> None:
        """Note that the claim is held, with these very GPUs where it runs already."""
        if gpus is None:
            taken = tuple(self._free_gpus[: claim.resources.gpus])
        else:
            taken = tuple(gpus)
        self._free_gpus = [gpu for gpu in self._free_gpus if gpu not in taken]
        self._gpus[claim.id] = taken
        self.holders[claim.id] = claim

    def gpus_of(self, identifier: str) -> tuple[str, ...]:
        return self._gpus.get(identifier, ())

    def release(self, identifier: str) -> None:
        """Leave the line and give back what is held. Harmless for an id that has neither."""
        self.line.remove(identifier)
        if self.holders.pop(identifier, None) is not None:
            self._free_gpus = sorted({*self._free_gpus, *self._gpus.pop(identifier, ())}, key=natural)

    def explain(self, claim: Claim) -> str:
        return explain(claim, self.holders, self.capacity)


def natural(gpu: str) -> tuple[int, str]:
    return (int(gpu), gpu) if gpu.isdigit() else (1 << 30, gpu)
