"""The log of changes: numbered, resumable, and readable only by those who may read the resource."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select

from orrery.domain.access import Act, User, Visibility, is_allowed
from orrery.domain.records import Json, Record
from orrery.store import tables
from orrery.store.database import Database
from orrery.store.rows import to_record

RETENTION: Final = timedelta(days=7)
MAX_KEPT: Final = 200_000


@dataclass(frozen=True)
class Event:
    """One change. `record` is the resource as it is *now*; None once purged."""

    id: int
    at: datetime
    type: str
    resource_id: str
    kind: str
    record: Record | None
    last_seen: Json | None


@dataclass(frozen=True)
class _Purged:
    owner: str
    visibility: Visibility
    group: str | None
    label: str = ""


class EventLog:
    def __init__(self, database: Database) -> None:
        self.database = database

    def latest(self) -> int:
        with self.database.read() as connection:
            return connection.execute(select(func.max(tables.events.c.id))).scalar() or 0

    def oldest(self) -> int:
        """The id of the oldest event kept; 0 when there is none."""
        with self.database.read() as connection:
            return connection.execute(select(func.min(tables.events.c.id))).scalar() or 0

    def after(self, event_id: int, limit: int = 500) -> list[Event]:
        """Events after `event_id`, oldest first. Of several changes to one resource only the last one is given."""
        e = tables.events.c
        newest = (
            select(e.id, e.at, e.type, e.resource_id, e.kind, e.last_seen)
            .where(e.id > event_id)
            .order_by(e.id)
            .limit(limit)
        )
        with self.database.read() as connection:
            rows = connection.execute(newest).all()
            last = {row.resource_id: row for row in rows}
            ids = [resource_id for resource_id, row in last.items() if row.type != "purged"]
            statement = select(tables.resources).where(tables.resources.c.id.in_(ids))
            records = {row.id: to_record(row) for row in connection.execute(statement)} if ids else {}
        kept = [row for row in rows if last[row.resource_id] is row]
        # a resource made and changed within one read is still new to the reader
        created = {row.resource_id for row in rows if row.type == "created"}
        return [
            Event(
                id=row.id,
                at=row.at,
                type="created" if row.type == "updated" and row.resource_id in created else row.type,
                resource_id=row.resource_id,
                kind=row.kind,
                record=records.get(row.resource_id),
                last_seen=row.last_seen,
            )
            for row in kept
        ]

    def prune(self, now: datetime) -> int:
        """Forget what is older than the retention, or beyond the number kept."""
        e = tables.events.c
        with self.database.write() as connection:
            newest = connection.execute(select(func.max(e.id))).scalar() or 0
            statement = delete(tables.events).where((e.at < now - RETENTION) | (e.id <= newest - MAX_KEPT))
            return connection.execute(statement).rowcount


def may_see(user: User, event: Event) -> bool:
    if event.record is not None:
        return is_allowed(user, Act.READ, event.record)
    if event.last_seen is None:
        return False
    seen = event.last_seen
    return is_allowed(user, Act.READ, _Purged(seen["owner"], Visibility(seen["visibility"]), seen.get("group")))
