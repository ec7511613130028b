"""The trials of tunings, one row each: what was tried, how it stands, what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, case, func, insert, select, update

from orrery.domain.records import Json
from orrery.domain.tunings import TrialStatus
from orrery.errors import Invalid
from orrery.store import tables
from orrery.store.database import Database

_t: Final = tables.trials.c
_OPEN: Final = [status.value for status in TrialStatus if status.is_open]
#: 0: its target is of its end
_LAST: Final = case((_t.status == TrialStatus.SUCCEEDED.value, 0), else_=1)
#: what a list of trials may be ordered by
ORDERS: Final = {"number": _t.number, "target": _t.target}


@dataclass(frozen=True)
class Trial:
    """One trial at one moment.

    `targets` has the objectives' values, in their order: once it has succeeded those of its end; of one that was
    stopped before, the last that it reported, which are never taken for the best.
    """

    tuning_id: str
    number: int
    training_id: str
    status: TrialStatus
    parameters: Json
    created_at: datetime
    targets: tuple[float, ...] | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class TrialStore:
    """Thread-safe."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, trial: Trial) -> None:
        """Note a new trial. One that is noted already is left as it is."""
        with self.database.write(durable=False) as connection:
            is_there = select(_t.number).where(_t.tuning_id == trial.tuning_id, _t.number == trial.number)
            if connection.execute(is_there).first() is None:
                connection.execute(insert(tables.trials).values(**_values(trial)))

    def save(self, trial: Trial) -> None:
        """Note how a trial stands now."""
        with self.database.write(durable=False) as connection:
            connection.execute(
                update(tables.trials)
                .where(_t.tuning_id == trial.tuning_id, _t.number == trial.number)
                .values(**_values(trial))
            )

    def open(self, tuning_id: str) -> list[Trial]:
        """Those that have not ended, in order."""
        return self._find(select(tables.trials).where(_t.tuning_id == tuning_id, _t.status.in_(_OPEN)))

    def list(self, tuning_id: str, *, order: str = "number", limit: int | None = None, offset: int = 0) -> list[Trial]:
        """Ordered by `number` or `target`, downwards with a `-` before it.

        By `target`, those that were stopped come behind those that succeeded, and those without one last.

        Raises: Invalid for another order.
        """
        column = ORDERS.get(order.removeprefix("-"))
        if column is None:
            raise Invalid(f"order {order!r} is none of {', '.join(f'{name}, -{name}' for name in ORDERS)}")
        statement = select(tables.trials).where(_t.tuning_id == tuning_id)
        direction = column.desc() if order.startswith("-") else column.asc()
        by = [direction] if column is _t.number else [_LAST, direction.nulls_last(), _t.number]
        return self._find(statement.order_by(*by).limit(limit).offset(offset))

    def find(self, tuning_id: str, number: int) -> Trial | None:
        statement = select(tables.trials).where(_t.tuning_id == tuning_id, _t.number == number)
        return next(iter(self._find(statement)), None)

    def last_failed(self, tuning_id: str) -> Trial | None:
        failures = [status.value for status in TrialStatus if status.is_failure]
        statement = select(tables.trials).where(_t.tuning_id == tuning_id, _t.status.in_(failures))
        return next(iter(self._find(statement.order_by(_t.number.desc()).limit(1))), None)

    def count(self, tuning_id: str) -> dict[TrialStatus, int]:
        statement = select(_t.status, func.count()).where(_t.tuning_id == tuning_id).group_by(_t.status)
        with self.database.read() as connection:
            return {TrialStatus(status): number for status, number in connection.execute(statement)}

    def best(self, tuning_id: str, *, maximize: bool) -> Trial | None:
        """The one with the best first target; of equals the first."""
        statement = select(tables.trials).where(
            _t.tuning_id == tuning_id, _t.status == TrialStatus.SUCCEEDED.value, _t.target.is_not(None)
        )
        order = _t.target.desc() if maximize else _t.target.asc()
        return next(iter(self._find(statement.order_by(order, _t.number).limit(1))), None)

    def succeeded(self, tuning_id: str) -> list[Trial]:
        statement = select(tables.trials).where(_t.tuning_id == tuning_id, _t.status == TrialStatus.SUCCEEDED.value)
        return self._find(statement.order_by(_t.number))

    def _find(self, statement: Any) -> list[Trial]:
        with self.database.read() as connection:
            return [_to_trial(row) for row in connection.execute(statement)]


def _values(trial: Trial) -> dict[str, Any]:
    return {
        "tuning_id": trial.tuning_id,
        "number": trial.number,
        "training_id": trial.training_id,
        "status": trial.status.value,
        "parameters": trial.parameters,
        "targets": None if trial.targets is None else list(trial.targets),
        "target": trial.targets[0] if trial.targets else None,
        "created_at": trial.created_at,
        "started_at": trial.started_at,
        "ended_at": trial.ended_at,
    }


def _to_trial(row: Row[Any]) -> Trial:
    return Trial(
        tuning_id=row.tuning_id,
        number=row.number,
        training_id=row.training_id,
        status=TrialStatus(row.status),
        parameters=row.parameters,
        created_at=row.created_at,
        targets=None if row.targets is None else tuple(row.targets),
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def front(trials: Iterable[Trial], maximize: tuple[bool, ...]) -> list[Trial]:
    """Those that no other beats in every objective (the Pareto front), in the order given."""
    candidates = [(trial, _upwards(trial.targets or (), maximize)) for trial in trials if trial.targets]
    return [
        trial
        for trial, goodness in candidates
        if not any(
            other != goodness and all(theirs >= ours for theirs, ours in zip(other, goodness, strict=True))
            for _, other in candidates
        )
    ]


def _upwards(targets: tuple[float, ...], maximize: tuple[bool, ...]) -> tuple[float, ...]:
    return tuple(value if up else -value for value, up in zip(targets, maximize, strict=True))
