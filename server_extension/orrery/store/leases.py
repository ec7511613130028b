"""Who works on what: records that are due are leased to one reconciler, whose result counts only under its lease."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, func, or_, select, update

from orrery.domain.records import Record
from orrery.store import tables
from orrery.store.record_rows import RecordRows
from orrery.store.rows import to_record, touched

_r: Final = tables.resources.c
# built once: they run several times a second
_DUE: Final = (
    select(tables.resources)
    .where(
        or_(_r.due_at <= bindparam("now"), _r.lease_until < bindparam("now")),
        or_(_r.lease_until.is_(None), _r.lease_until < bindparam("now")),
    )
    .order_by(_r.due_at)
    .limit(bindparam("most"))
)
_DUE_LOCKED: Final = _DUE.with_for_update(skip_locked=True)
_LEASE: Final = update(tables.resources).where(_r.id == bindparam("leased"))
_NEXT_DUE: Final = select(func.min(_r.due_at)).where(_r.due_at.is_not(None), _r.lease_until.is_(None))
_NEXT_LOST: Final = select(func.min(_r.lease_until)).where(_r.lease_until.is_not(None))
_UNDER_LEASE: Final = select(tables.resources).where(_r.id == bindparam("leased"), _r.lease_token == bindparam("token"))
_UNDER_LEASE_LOCKED: Final = _UNDER_LEASE.with_for_update()
_WAKE: Final = update(tables.resources).where(
    _r.id == bindparam("woken"), or_(_r.due_at.is_(None), _r.due_at > bindparam("moment"))
)


@dataclass(frozen=True)
class Lease:
    """The right to apply a result to one record until it expires."""

    record: Record
    token: str


class Leases:
    """Thread-safe. `instance` names this platform's place: what a predecessor there held is freed at its restart."""

    def __init__(self, rows: RecordRows, instance: str, announce: Callable[[], None]) -> None:
        self.rows = rows
        self.database = rows.database
        self.clock = rows.clock
        self.instance = instance
        self._announce = announce

    def take_due(self, limit: int, lease_for: timedelta) -> list[Lease]:
        """Lease records that are due, and those whose lease ran out (their reconciler died)."""
        now = self.clock()
        with self.database.write(durable=False) as connection:
            statement = _DUE if self.database.is_sqlite else _DUE_LOCKED
            rows = connection.execute(statement, {"now": now, "most": limit})
            leases = [Lease(to_record(row), f"{self.instance}:{secrets.token_hex(8)}") for row in rows]
            if leases:
                connection.execute(
                    _LEASE,
                    [
                        {
                            "leased": lease.record.id,
                            "lease_token": lease.token,
                            "lease_until": now + lease_for,
                            "due_at": None,
                        }
                        for lease in leases
                    ],
                )
        return leases

    def next_due(self) -> datetime | None:
        """When the next record becomes due, or the next lease runs out."""
        with self.database.read() as connection:
            due = connection.execute(_NEXT_DUE).scalar()
            lost = connection.execute(_NEXT_LOST).scalar()
        return min((moment for moment in (due, lost) if moment is not None), default=None)

    def apply(
        self,
        lease: Lease,
        change: Callable[[Record], Record],
        *,
        again_at: datetime | None,
        keep_for: timedelta | None = None,
    ) -> Record | None:
        """Apply a reconciler's result under its lease. None when the lease was lost: the result is dropped.

        The lease ends with it, and a wake that came meanwhile is kept: the record is due again at once. With `keep_for`
        the lease goes on for so long instead, for another turn that begins now, to which such a wake belongs.
        """
        now = self.clock()
        with self.database.write(durable=False) as connection:
            statement = _UNDER_LEASE if self.database.is_sqlite else _UNDER_LEASE_LOCKED
            row = connection.execute(statement, {"leased": lease.record.id, "token": lease.token}).first()
            if row is None:
                return None
            record = to_record(row)
            changed = change(record)
            if keep_for is None:
                due = min((moment for moment in (row.due_at, again_at) if moment is not None), default=None)
                after: dict[str, Any] = {"lease_token": None, "lease_until": None, "due_at": due}
            else:
                after = {"lease_until": now + keep_for, "due_at": None}
            if changed == record:
                connection.execute(_LEASE, {**after, "leased": record.id})
                return record
            is_visible = replace(changed, internal={}, attempts=0) != replace(record, internal={}, attempts=0)
            changed = touched(changed, now) if is_visible else changed
            self.rows.save(connection, changed, after)
            if changed.outputs != record.outputs or changed.internal != record.internal:
                self.rows.write_edges(connection, changed, None)
            if is_visible:
                self.rows.emit(connection, "updated", changed)
        if is_visible:
            self._announce()
        return changed

    def wake(self, resource_id: str, at: datetime | None = None) -> None:
        """Make it due now (or at `at`, if that is sooner than what stands)."""
        moment = at or self.clock()
        with self.database.write(durable=False) as connection:
            connection.execute(_WAKE, {"woken": resource_id, "moment": moment, "due_at": moment})

    def release(self) -> None:
        """Free what a predecessor of this instance held when it died. Only for a process that knows it is alone."""
        with self.database.write(durable=False) as connection:
            connection.execute(
                update(tables.resources)
                .where(_r.lease_token.startswith(f"{self.instance}:", autoescape=True))
                .values(lease_token=None, lease_until=None, due_at=self.clock())
            )

    def wake_all(self, phases: Mapping[str, set[str]]) -> None:
        """Make every live or trashed record in these phases (by kind) due now."""
        now = self.clock()
        with self.database.write(durable=False) as connection:
            for kind, names in phases.items():
                connection.execute(
                    update(tables.resources)
                    .where(_r.kind == kind, _r.phase.in_(sorted(names)), or_(_r.due_at.is_(None), _r.due_at > now))
                    .values(due_at=now)
                )
