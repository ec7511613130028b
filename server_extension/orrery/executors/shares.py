"""Whose turn it is: the order of those who wait, by priority, age and what each user has had. Pure: it reads no clock.

The order, for people to rely on:

1. Replicas of services come before every job. Jobs go by priority; whoever has waited four hours counts one priority
   higher, after eight two. One beyond HIGH goes before all other jobs, the oldest first. So nothing waits for ever.
2. Within one priority users take turns: next is who has had the least of the machine of late. What one uses counts by
   its largest part (of cores, memory or GPUs) and its time, half as much every ten minutes; what one holds counts a
   minute ahead, so that several who start at once get alike. An administrator may give one user a larger share.
3. Of one user's jobs the first to come is the first to start.

With one user's hundred jobs of the same length before another's two, these two wait for one job each.
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from math import log
from typing import Final

from orrery.executors.contract import Priority, Resources

HALF_LIFE_SECONDS: Final = 600.0
AHEAD_SECONDS: Final = 60.0
AGEING_SECONDS: Final = 4 * 3600.0
#: the rank of whoever has waited one priority beyond the highest
OVERDUE_RANK: Final = max(Priority) + 1
#: the rank of a replica, before every job
SERVICE_RANK: Final = OVERDUE_RANK + 1


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
    #: who has the turn: a user, or a group
    owner: str = ""
    #: when it came, in seconds since 1970
    since: float = 0.0
    #: it holds, past another that has the floor
    overtook: bool = False

    @property
    def is_service(self) -> bool:
        return self.rank == SERVICE_RANK

    def rank_at(self, now: float) -> int:
        """Its priority with its age."""
        if self.is_service:
            return self.rank
        return min(OVERDUE_RANK, self.rank + int(max(0.0, now - self.since) // AGEING_SECONDS))


def part_of(resources: Resources, capacity: Resources) -> float:
    """Which part of the machine it is: the largest of its parts of cores, memory and GPUs."""
    pairs = (
        (resources.cores, capacity.cores),
        (resources.memory_bytes, capacity.memory_bytes),
        (resources.gpus, capacity.gpus),
    )
    return max((wanted / has for wanted, has in pairs if has > 0), default=0.0)


@dataclass
class Account:
    """What one user has had: `used` machine-seconds at the time `at`, and the part that is held since."""

    used: float = 0.0
    at: float = 0.0
    held: float = 0.0
    #: number of the turn that was last given
    turn: int = 0

    def used_at(self, now: float) -> float:
        faded = 0.5 ** (max(0.0, now - self.at) / HALF_LIFE_SECONDS)
        return self.used * faded + self.held * (1 - faded) * HALF_LIFE_SECONDS / log(2)

    def change(self, part: float, now: float) -> None:
        """Hold so much more, or less, from now on."""
        self.used, self.at = self.used_at(now), max(self.at, now)
        self.held = max(0.0, self.held + part)

    def had(self, now: float) -> float:
        return self.used_at(now) + self.held * AHEAD_SECONDS


class Accounts:
    """The accounts of all who hold or have held. Those who hold nothing and have nothing left are forgotten."""

    def __init__(self, capacity: Resources) -> None:
        self.capacity = capacity
        self._accounts: dict[str, Account] = {}
        self._turns = count(1)

    def hold(self, claim: Claim, now: float) -> None:
        account = self._accounts.setdefault(claim.owner, Account(at=now))
        account.change(part_of(claim.resources, self.capacity), now)
        if not claim.is_service:
            account.turn = next(self._turns)

    def release(self, claim: Claim, now: float) -> None:
        account = self._accounts[claim.owner]
        account.change(-part_of(claim.resources, self.capacity), now)
        if len(self._accounts) > 1000:
            self._accounts = {k: a for k, a in self._accounts.items() if a.held > 1e-9 or a.used_at(now) > 1.0}

    def had(self, owner: str, now: float) -> float:
        account = self._accounts.get(owner)
        return 0.0 if account is None else account.had(now)

    def turn(self, owner: str) -> int:
        account = self._accounts.get(owner)
        return 0 if account is None else account.turn

    def copy(self) -> Accounts:
        made = Accounts(self.capacity)
        made._accounts = {k: Account(a.used, a.at, a.held, a.turn) for k, a in self._accounts.items()}
        made._turns = count(max((a.turn for a in made._accounts.values()), default=0) + 1)
        return made


class Line:
    """Those who wait. Not thread-safe."""

    def __init__(self, claims: Iterable[Claim] = ()) -> None:
        self._claims: dict[str, Claim] = {}
        #: (owner, rank) -> (sequence, id), the first to come first
        self._queues: dict[tuple[str, int], list[tuple[int, str]]] = {}
        for claim in claims:
            self.add(claim)

    def __len__(self) -> int:
        return len(self._claims)

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._claims

    def __iter__(self) -> Iterator[Claim]:
        """In no order."""
        return iter(self._claims.values())

    def add(self, claim: Claim) -> None:
        if claim.id not in self._claims:
            self._claims[claim.id] = claim
            bisect.insort(self._queues.setdefault((claim.owner, claim.rank), []), (claim.sequence, claim.id))

    def remove(self, identifier: str) -> None:
        claim = self._claims.pop(identifier, None)
        if claim is not None:
            key = (claim.owner, claim.rank)
            queue = self._queues[key]
            del queue[bisect.bisect_left(queue, (claim.sequence, claim.id))]
            if not queue:
                del self._queues[key]

    def in_order(self, accounts: Accounts, share: Callable[[str], float], now: float) -> Iterator[Claim]:
        """As if each was given its turn when it is named: each counts for the next of the same user.

        `share`: the weight of a user's turn. The line must not change meanwhile.
        """
        ahead: dict[str, float] = {}
        turns: dict[str, int] = {}
        weights: dict[str, float] = {}
        given = count(1 << 60)

        def key(claim: Claim) -> tuple[int, float, int, int]:
            rank = claim.rank_at(now)
            if rank >= OVERDUE_RANK:
                return (-rank, 0.0, 0, claim.sequence)
            owner = claim.owner
            if owner not in ahead:
                weights[owner] = AHEAD_SECONDS / share(owner)
                ahead[owner] = accounts.had(owner, now) / share(owner)
                turns[owner] = accounts.turn(owner)
            # a billionth of a second decides nothing: then it is the other's turn
            return (-rank, round(ahead[owner], 9), turns[owner], claim.sequence)

        heads = [(key(self._claims[queue[0][1]]), which, 0) for which, queue in self._queues.items()]
        heapq.heapify(heads)
        while heads:
            known, which, place = heads[0]
            queue = self._queues[which]
            claim = self._claims[queue[place][1]]
            fresh = key(claim)
            if fresh != known:
                heapq.heapreplace(heads, (fresh, which, place))
                continue
            if place + 1 < len(queue):
                # its own key, which is no smaller, is worked out when it comes to the top
                heapq.heapreplace(heads, (known, which, place + 1))
            else:
                heapq.heappop(heads)
            if claim.owner in ahead and not claim.is_service:
                ahead[claim.owner] += part_of(claim.resources, accounts.capacity) * weights[claim.owner]
                turns[claim.owner] = next(given)
            yield claim
