"""Which replicas to start and which to retire, from what is wanted and what is seen. Pure.

While a new revision is rolled out, at most one more than wanted is alive, and no old replica that serves is retired
before as many as wanted are ready without it. So a revision that never becomes ready changes nothing for callers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orrery.executors.contract import ReplicaPhase

SURGE = 1


@dataclass(frozen=True)
class Seen:
    id: str
    #: rises with age's opposite: the youngest has the highest
    sequence: int
    #: of the revision that is wanted now
    current: bool
    phase: ReplicaPhase
    #: it has been ready at some time
    proven: bool


@dataclass(frozen=True)
class Plan:
    start: int = 0
    #: ready ones: out of the routes first, ended later
    retire: tuple[str, ...] = ()
    #: those that nobody calls: ended at once
    end: tuple[str, ...] = ()


def plan(wanted: int, replicas: Sequence[Seen]) -> Plan:
    """One step; what it says is done at once, and it is asked again after every change."""
    alive = sorted((one for one in replicas if one.phase is not ReplicaPhase.RETIRING), key=lambda one: one.sequence)
    ready = [one for one in alive if one.phase is ReplicaPhase.READY]
    leaving: list[Seen] = []

    # Old ones that never served, or are not needed any more, oldest first.
    surplus = len(ready) - wanted
    for one in alive:
        if one.current:
            continue
        if one.phase is ReplicaPhase.READY:
            if surplus > 0:
                surplus -= 1
                leaving.append(one)
        elif not one.proven or len(ready) >= wanted:
            leaving.append(one)

    # More of the current revision than wanted: those not ready first, then the youngest.
    current = [one for one in alive if one.current]
    too_many = len(current) - wanted
    if too_many > 0:
        by_value = sorted(current, key=lambda one: (one.phase is ReplicaPhase.READY, -one.sequence))
        leaving += by_value[:too_many]

    room = wanted + SURGE - (len(alive) - len(leaving))
    return Plan(
        start=max(0, min(wanted - len(current), room)),
        retire=tuple(one.id for one in leaving if one.phase is ReplicaPhase.READY),
        end=tuple(one.id for one in leaving if one.phase is not ReplicaPhase.READY),
    )
