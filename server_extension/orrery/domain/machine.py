"""State machines: a table of (phase, event) -> phase, and the pure step over it.

Reconcilers are level-triggered: they read the phase and decide, so a step has no list of effects to replay. What is to
be done in a phase is the controller's handler for it, which is safe to run again; what happened comes back as an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from orrery.domain.records import EARLIER_SECONDS, Record
from orrery.errors import WrongPhase


@dataclass(frozen=True)
class Phase:
    """A phase as people and other platforms know it."""

    name: str
    #: Pending, Running, Completed, Failed, Cancelled, Active, Stopped: the coarse word that lists filter by
    state: str
    #: nothing will change until a user acts
    settled: bool = False

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()


class InvalidTransition(WrongPhase):
    """This event cannot happen in this phase."""

    code = "invalid_transition"


@dataclass(frozen=True)
class Machine:
    """The phases of a kind and how events move between them."""

    initial: str
    phases: Mapping[str, Phase]
    transitions: Mapping[tuple[str, str], str]

    def __post_init__(self) -> None:
        for (source, event), target in self.transitions.items():
            unknown = {source, target} - self.phases.keys()
            if unknown:
                raise ValueError(f"transition ({source}, {event}) -> {target} names unknown phases {sorted(unknown)}")

    @property
    def events(self) -> frozenset[str]:
        return frozenset(event for _, event in self.transitions)

    def phases_with(self, event: str) -> frozenset[str]:
        """The phases in which `event` may happen."""
        return frozenset(source for source, name in self.transitions if name == event)

    def step(
        self,
        record: Record,
        event: str,
        now: datetime,
        *,
        reason: str = "",
        message: str = "",
        began: datetime | None = None,
        ended: datetime | None = None,
    ) -> Record:
        """The record after `event`. Stamps `started_at` at the first Running phase and `ended_at` at a settled one.

        `began`, `ended`: when that was, where it is noticed later only. When it is to begin anew, the time that it ran
        is kept among its notes (`Record.earlier_seconds`).

        Raises: InvalidTransition.
        """
        target = self.transitions.get((record.phase, event))
        if target is None:
            allowed = sorted(name for source, name in self.transitions if source == record.phase)
            raise InvalidTransition(
                f"{record.label} is {record.phase}; {event!r} is not possible there"
                + (f" (possible: {', '.join(allowed)})" if allowed else ""),
                phase=record.phase,
                event=event,
            )
        phase = self.phases[target]
        started_at, ended_at, internal = record.started_at, record.ended_at, record.internal
        if phase.state == "Pending":
            if started_at is not None:
                ran = record.earlier_seconds + ((ended_at or now) - started_at).total_seconds()
                internal = {**internal, EARLIER_SECONDS: ran}
            started_at, ended_at = None, None
        elif phase.state == "Running" and self.phases[record.phase].state == "Pending":
            started_at, ended_at = began or now, None
        if phase.settled and not self.phases[record.phase].settled:
            ended_at = ended or now
        return replace(
            record,
            phase=target,
            reason=reason,
            message=message,
            started_at=started_at,
            ended_at=ended_at,
            updated_at=now,
            internal=internal,
        )


def machine(initial: Phase, others: tuple[Phase, ...], transitions: Mapping[tuple[str, str], str]) -> Machine:
    return Machine(initial.name, {phase.name: phase for phase in (initial, *others)}, transitions)
