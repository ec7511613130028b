"""Aggregates over all resources that a viewer may read: counts, activity over time, what is used most.

Each question is answered from one covering index, so that it costs milliseconds over 100,000 resources. What is in the
trash is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, String, bindparam, cast, func, literal, select, type_coerce
from sqlalchemy.dialects.postgresql import JSON

from orrery.domain.access import User
from orrery.domain.records import Record
from orrery.store import tables
from orrery.store.database import Database
from orrery.store.rows import to_record, visible_to

#: of the newest resources of a kind, how many are looked at for what they used
USE_LOOKED_AT: Final = 500
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class InstanceUse:
    """One run, as far as it says what it held and for how long."""

    instance_type: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class RunTime:
    """One run that came to its end: of what, on which size, for how long."""

    algorithm: str | None
    instance_type: str | None
    seconds: float


@dataclass(frozen=True)
class Buckets:
    """A stretch of time in equal parts. `offset` moves their edges, so that days begin at a viewer's midnight."""

    since: datetime
    until: datetime
    width: timedelta
    offset: timedelta = timedelta()

    def edges(self) -> list[datetime]:
        """Where each begins, oldest first, and where the last ends; the first holds `since`, the last `until`."""
        width, offset = self.width // _MICROSECOND, self.offset // _MICROSECOND
        first, last = ((tables.to_microseconds(moment) + offset) // width for moment in (self.since, self.until))
        return [tables.from_microseconds(place * width - offset) for place in range(first, last + 2)]


class Summaries:
    """Thread-safe; reads only."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def counts(self, viewer: User) -> dict[tuple[str, str], int]:
        """(kind, phase) -> how many."""
        r = tables.resources.c
        statement = select(r.kind, r.phase, func.count()).where(*_seen_by(viewer)).group_by(r.kind, r.phase)
        with self.database.read() as connection:
            return {(kind, phase): count for kind, phase, count in connection.execute(statement)}

    def in_phases(self, viewer: User, kind: str, phases: Iterable[str], limit: int) -> list[Record]:
        """The newest live resources of a kind in some phases."""
        r = tables.resources.c
        statement = select(tables.resources).where(*_seen_by(viewer), r.kind == kind, r.phase.in_(sorted(phases)))
        # a sum is in no index: else SQLite, to spare the sorting of a few, would walk all of them by age
        statement = statement.order_by((type_coerce(r.created_at, BigInteger) + 0).desc(), r.id.desc()).limit(limit)
        with self.database.read() as connection:
            return [to_record(row) for row in connection.execute(statement)]

    def created(self, viewer: User, kind: str, buckets: Buckets) -> list[int]:
        """How many were created in each bucket."""
        r = tables.resources.c
        return self._count_between(r.created_at, [*_seen_by(viewer), r.kind == kind], buckets)

    def ended(self, viewer: User, kind: str, phase: str, buckets: Buckets) -> list[int]:
        """How many that are in a phase ended in each bucket."""
        r = tables.resources.c
        return self._count_between(r.ended_at, [*_seen_by(viewer), r.kind == kind, r.phase == phase], buckets)

    def _count_between(
        self, column: ColumnElement[Any], conditions: list[ColumnElement[bool]], buckets: Buckets
    ) -> list[int]:
        edges = buckets.edges()
        # one range of an index each: grouping by a computed bucket would sort every row
        between = (*conditions, column >= bindparam("since"), column < bindparam("until"))
        some = select(literal(1)).where(*between).limit(1)
        count = select(func.count()).where(*between)
        with self.database.read() as connection:
            if connection.execute(some, {"since": edges[0], "until": edges[-1]}).first() is None:
                return [0] * (len(edges) - 1)
            return [
                connection.execute(count, {"since": since, "until": until}).scalar_one()
                for since, until in pairwise(edges)
            ]

    def instance_use(self, viewer: User, kind: str, since: datetime) -> list[InstanceUse]:
        """What the newest resources of a kind held, at most `USE_LOOKED_AT` of them; those that name no size are not
        among them."""
        r = tables.resources.c
        named = self._instance_type()
        statement = select(named, r.started_at, r.ended_at).where(
            *_seen_by(viewer), r.kind == kind, r.created_at >= since
        )
        statement = statement.order_by(r.created_at.desc()).limit(USE_LOOKED_AT)
        with self.database.read() as connection:
            rows = connection.execute(statement).all()
        return [InstanceUse(name, started_at, ended_at) for name, started_at, ended_at in rows if name]

    def durations(self, kind: str, phase: str) -> list[RunTime]:
        """How long the newest resources of a kind ran that ended in a phase, at most `USE_LOOKED_AT` of them."""
        r = tables.resources.c
        statement = (
            select(self._named("algorithm"), self._named("instance_type"), r.started_at, r.ended_at)
            .where(r.deleted_at.is_(None), r.kind == kind, r.phase == phase, r.ended_at.is_not(None))
            .order_by(r.ended_at.desc())
            .limit(USE_LOOKED_AT)
        )
        with self.database.read() as connection:
            rows = connection.execute(statement).all()
        return [
            RunTime(algorithm, size, (ended_at - started_at).total_seconds())
            for algorithm, size, started_at, ended_at in rows
            if started_at is not None and ended_at >= started_at
        ]

    def ended_runs(self, algorithm_id: str, limit: int) -> list[Record]:
        """The newest live runs of an algorithm, of whatever kind, that have ended; newest first."""
        r, edges = tables.resources.c, tables.references.c
        statement = (
            select(tables.resources)
            .join(tables.references, edges.source_id == r.id)
            .where(edges.target_id == algorithm_id, edges.path == "algorithm", r.ended_at.is_not(None))
            # ids begin with the moment that they were made at
            .order_by(r.id.desc())
            .limit(limit)
        )
        with self.database.read() as connection:
            return [to_record(row) for row in connection.execute(statement)]

    def _instance_type(self) -> ColumnElement[str | None]:
        return self._named("instance_type")

    def _named(self, field: str) -> ColumnElement[str | None]:
        """A text of the spec."""
        spec = tables.resources.c.spec
        if self.database.is_sqlite:
            return func.json_extract(spec, f"$.{field}", type_=String)
        return cast(cast(spec, String), JSON)[field].astext


def _seen_by(viewer: User) -> list[ColumnElement[bool]]:
    live = tables.resources.c.deleted_at.is_(None)
    # an administrator's condition is left out: it would only hide from the planner that an index holds it all
    return [live] if viewer.admin else [live, visible_to(viewer)]
