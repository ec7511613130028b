"""The store of resources: every write keeps its references, held objects and event in the same transaction."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from orrery.domain.access import User
from orrery.domain.kinds import Registry
from orrery.domain.records import Json, Record, Reference, object_ids, utc_now
from orrery.errors import InUse, NameTaken, NotFound, Stale
from orrery.store import tables
from orrery.store.database import Database
from orrery.store.rows import Page, Query, make_page, make_page_select, to_record, to_values, touched, visible_to

_EVENT_LOCK = 7266373742


@dataclass(frozen=True)
class Lease:
    """The right to apply a result to one record until it expires."""

    record: Record
    token: str


class ResourceStore:
    """All methods are synchronous and thread-safe. Listeners are called after each commit that wrote events.

    `instance` names this platform's place (its home): what a predecessor there had leased is freed at its restart.
    """

    def __init__(
        self,
        database: Database,
        kinds: Registry,
        *,
        clock: Callable[[], datetime] = utc_now,
        instance: str = "only",
    ) -> None:
        self.database = database
        self.kinds = kinds
        self.clock = clock
        self.instance = instance
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def _announce(self) -> None:
        for listener in self._listeners:
            listener()

    # reading

    def get(self, resource_id: str, *, trashed: bool = False) -> Record:
        """Raises: NotFound. With `trashed`, a record in the trash is found too."""
        with self.database.read() as connection:
            record = self._find(connection, resource_id)
        if record is None or (record.deleted_at is not None and not trashed):
            raise NotFound(f"there is no resource {resource_id!r}")
        return record

    def find(self, resource_id: str) -> Record | None:
        """The record, in the trash or not, or None."""
        with self.database.read() as connection:
            return self._find(connection, resource_id)

    def find_many(self, resource_ids: Iterable[str]) -> dict[str, Record]:
        """Those that are there, in the trash or not, by their ids."""
        statement = select(tables.resources).where(tables.resources.c.id.in_(sorted(set(resource_ids))))
        with self.database.read() as connection:
            return {row.id: to_record(row) for row in connection.execute(statement)}

    def find_named(self, kind: str, owner: str, name: str, version: int | None = None) -> Record | None:
        """The live resource of that name; the latest version where none is given."""
        r = tables.resources.c
        statement = select(tables.resources).where(
            r.kind == kind, r.owner == owner, r.name == name, r.deleted_at.is_(None)
        )
        if version is not None:
            statement = statement.where(r.version == version)
        with self.database.read() as connection:
            row = connection.execute(statement.order_by(r.version.desc()).limit(1)).first()
        return to_record(row) if row is not None else None

    def list(self, query: Query) -> Page:
        with self.database.read() as connection:
            rows = connection.execute(make_page_select(query)).all()
        return make_page(query, [to_record(row) for row in rows])

    def every(self, query: Query) -> Iterable[Record]:
        """All records that match, page after page."""
        query = replace(query, limit=500)
        while True:
            page = self.list(query)
            yield from page.items
            if page.next is None:
                return
            query = replace(query, cursor=page.next)

    def count_by_phase(self, query: Query) -> dict[tuple[str, str], int]:
        """(kind, phase) -> how many."""
        from orrery.store.rows import conditions

        r = tables.resources.c
        statement = select(r.kind, r.phase, func.count()).where(*conditions(query)).group_by(r.kind, r.phase)
        with self.database.read() as connection:
            return {(row[0], row[1]): row[2] for row in connection.execute(statement)}

    # writing

    def create(
        self,
        record: Record,
        references: Iterable[Reference],
        *,
        idempotency: tuple[str, str, str] | None = None,
        due: bool = True,
    ) -> Record:
        """Write a new record. A versioned kind's record gets the next number.

        `idempotency` is (user, key, fingerprint): the same again answers with the first one's record.
        Raises: NameTaken; NotFound when a referenced resource has gone; Stale when the key was used otherwise.
        """
        now = self.clock()
        with self.database.write() as connection:
            if idempotency is not None and (earlier := self._answered(connection, *idempotency)) is not None:
                return earlier
            if self.kinds.named(record.kind).versioned and record.version == 0:
                record = replace(record, version=self._next_version(connection, record))
            references = list(references)
            self._require_live(connection, references)
            values = to_values(record) | {"due_at": now if due else None}
            try:
                with connection.begin_nested():
                    connection.execute(insert(tables.resources).values(values))
            except IntegrityError as error:
                raise NameTaken(
                    f"{record.label} exists already; choose another name, or delete that one first",
                    fields=[{"path": "name", "message": f"{record.name!r} is in use"}],
                ) from error
            self._write_edges(connection, record, references)
            if idempotency is not None:
                user, key, fingerprint = idempotency
                connection.execute(
                    insert(tables.idempotency).values(
                        user=user, key=key, fingerprint=fingerprint, resource_id=record.id, created_at=now
                    )
                )
            self._emit(connection, "created", record)
        self._announce()
        return record

    def update(
        self,
        resource_id: str,
        change: Callable[[Record], Record],
        *,
        references: Iterable[Reference] | None = None,
        etag: int | None = None,
        due: bool = True,
        event: str = "updated",
    ) -> Record:
        """Apply `change` to the newest record, in one transaction. `change` may raise to refuse.

        Raises: NotFound, NameTaken; Stale when `etag` is given and is not the newest.
        """
        now = self.clock()
        with self.database.write() as connection:
            record = self._find(connection, resource_id, lock=True)
            if record is None:
                raise NotFound(f"there is no resource {resource_id!r}")
            if etag is not None and record.etag != etag:
                raise Stale(f"{record.label} was changed meanwhile (etag {record.etag}, not {etag}); read it again")
            changed = touched(change(record), now)
            if references is not None:
                references = list(references)
                self._require_live(connection, references)
            self._save(connection, changed, {"due_at": now} if due else {})
            self._write_edges(connection, changed, references)
            self._emit(connection, event, changed)
        self._announce()
        return changed

    def trash(self, resource_ids: list[str], change: Callable[[Record], Record]) -> list[Record]:
        """Move live records to the trash together; `change` stamps each and may refuse.

        Raises: InUse when a live record outside the list refers to one in it.
        """
        now = self.clock()
        moved: list[Record] = []
        with self.database.write() as connection:
            inside = set(resource_ids)
            outside = [
                record for record in self._direct_dependents(connection, resource_ids) if record.id not in inside
            ]
            if outside:
                raise make_in_use(self._find(connection, resource_ids[0]), outside)
            for resource_id in resource_ids:
                record = self._find(connection, resource_id, lock=True)
                if record is None or record.deleted_at is not None:
                    continue
                changed = touched(change(record), now)
                self._save(connection, changed, {"due_at": now})
                self._emit(connection, "deleted", changed)
                moved.append(changed)
        self._announce()
        return moved

    def purge(self, resource_id: str) -> None:
        """Forget a record in the trash, its edges and metrics. Its objects are left to the collector."""
        with self.database.write() as connection:
            record = self._find(connection, resource_id, lock=True)
            if record is None or record.deleted_at is None:
                return
            self._emit(connection, "purged", record)
            connection.execute(delete(tables.references).where(tables.references.c.target_id == resource_id))
            connection.execute(delete(tables.resources).where(tables.resources.c.id == resource_id))
        self._announce()

    # the graph

    def references_of(self, resource_ids: Iterable[str]) -> dict[str, list[tuple[Reference, Record]]]:
        """What each of the resources refers to, with the records referred to."""
        ids = list(resource_ids)
        found: dict[str, list[tuple[Reference, Record]]] = {resource_id: [] for resource_id in ids}
        edges = tables.references
        statement = (
            select(edges.c.source_id, edges.c.path, edges.c.kind.label("ref_kind"), tables.resources)
            .join(tables.resources, tables.resources.c.id == edges.c.target_id)
            .where(edges.c.source_id.in_(ids))
            .order_by(edges.c.source_id, edges.c.path)
        )
        with self.database.read() as connection:
            for row in connection.execute(statement):
                found[row.source_id].append((Reference(row.path, row.ref_kind, row.id), to_record(row)))
        return found

    def dependents(self, resource_id: str, *, deep: bool = False) -> list[Record]:
        """Live resources that refer to it; with `deep` also those that refer to these, nearest first."""
        with self.database.read() as connection:
            found: dict[str, Record] = {}
            frontier = [resource_id]
            while frontier:
                nearest = [
                    r
                    for r in self._direct_dependents(connection, frontier)
                    if r.id not in found and r.id != resource_id
                ]
                found.update((record.id, record) for record in nearest)
                frontier = [record.id for record in nearest] if deep else []
            return list(found.values())

    def held_objects(self) -> set[str]:
        """Every oid that some resource, live or in the trash, holds."""
        with self.database.read() as connection:
            return set(connection.execute(select(tables.held_objects.c.oid).distinct()).scalars())

    def is_held_visibly(self, user: User, oid: str) -> bool:
        """Whether some resource that `user` may read holds the object."""
        held, r = tables.held_objects, tables.resources
        statement = (
            select(r.c.id).join(held, held.c.resource_id == r.c.id).where(held.c.oid == oid, visible_to(user)).limit(1)
        )
        with self.database.read() as connection:
            return connection.execute(statement).first() is not None

    # leases

    def take_due(self, limit: int, lease_for: timedelta) -> list[Lease]:
        """Lease records that are due, and those whose lease ran out (their reconciler died)."""
        now = self.clock()
        r = tables.resources.c
        is_free = or_(r.lease_until.is_(None), r.lease_until < now)
        is_due = or_(r.due_at <= now, r.lease_until < now)
        statement = select(tables.resources).where(is_due, is_free).order_by(r.due_at).limit(limit)
        with self.database.read() as connection:
            if connection.execute(statement.with_only_columns(r.id)).first() is None:
                return []
        with self.database.write(durable=False) as connection:
            if not self.database.is_sqlite:
                statement = statement.with_for_update(skip_locked=True)
            leases = [
                Lease(to_record(row), f"{self.instance}:{secrets.token_hex(8)}")
                for row in connection.execute(statement)
            ]
            for lease in leases:
                connection.execute(
                    update(tables.resources)
                    .where(r.id == lease.record.id)
                    .values(lease_token=lease.token, lease_until=now + lease_for, due_at=None)
                )
        return leases

    def apply(self, lease: Lease, change: Callable[[Record], Record], *, again_at: datetime | None) -> Record | None:
        """Apply a reconciler's result under its lease. None when the lease was lost: the result is dropped.

        A wake that came meanwhile is kept: the record is due again at once.
        """
        now = self.clock()
        r = tables.resources.c
        with self.database.write(durable=False) as connection:
            statement = select(tables.resources).where(r.id == lease.record.id, r.lease_token == lease.token)
            row = connection.execute(statement if self.database.is_sqlite else statement.with_for_update()).first()
            if row is None:
                return None
            record = to_record(row)
            changed = change(record)
            due = min((moment for moment in (row.due_at, again_at) if moment is not None), default=None)
            freed: dict[str, Any] = {"lease_token": None, "lease_until": None, "due_at": due}
            if changed == record:
                connection.execute(update(tables.resources).where(r.id == record.id).values(freed))
                return record
            is_visible = replace(changed, internal={}, attempts=0) != replace(record, internal={}, attempts=0)
            changed = touched(changed, now) if is_visible else changed
            self._save(connection, changed, freed)
            if changed.outputs != record.outputs or changed.internal != record.internal:
                self._write_edges(connection, changed, None)
            if is_visible:
                self._emit(connection, "updated", changed)
        if is_visible:
            self._announce()
        return changed

    def wake(self, resource_id: str, at: datetime | None = None) -> None:
        """Make it due now (or at `at`, if that is sooner than what stands)."""
        moment = at or self.clock()
        r = tables.resources.c
        with self.database.write(durable=False) as connection:
            connection.execute(
                update(tables.resources)
                .where(r.id == resource_id, or_(r.due_at.is_(None), r.due_at > moment))
                .values(due_at=moment)
            )

    def release_leases(self) -> None:
        """Free what a predecessor of this instance held when it died. Only for a process that knows it is alone."""
        now = self.clock()
        r = tables.resources.c
        with self.database.write(durable=False) as connection:
            connection.execute(
                update(tables.resources)
                .where(r.lease_token.startswith(f"{self.instance}:", autoescape=True))
                .values(lease_token=None, lease_until=None, due_at=now)
            )

    def wake_all(self, phases: Mapping[str, set[str]]) -> None:
        """Make every live or trashed record in these phases (by kind) due now."""
        now = self.clock()
        r = tables.resources.c
        with self.database.write(durable=False) as connection:
            for kind, names in phases.items():
                connection.execute(
                    update(tables.resources)
                    .where(r.kind == kind, r.phase.in_(sorted(names)), or_(r.due_at.is_(None), r.due_at > now))
                    .values(due_at=now)
                )

    def next_due(self) -> datetime | None:
        """When the next record becomes due."""
        r = tables.resources.c
        with self.database.read() as connection:
            due = connection.execute(select(func.min(r.due_at))).scalar()
            lease = connection.execute(select(func.min(r.lease_until))).scalar()
        return min((moment for moment in (due, lease) if moment is not None), default=None)

    # inside a transaction

    def _find(self, connection: Connection, resource_id: str, *, lock: bool = False) -> Record | None:
        statement = select(tables.resources).where(tables.resources.c.id == resource_id)
        if lock and not self.database.is_sqlite:
            statement = statement.with_for_update()
        row = connection.execute(statement).first()
        return to_record(row) if row is not None else None

    def _answered(self, connection: Connection, user: str, key: str, fingerprint: str) -> Record | None:
        c = tables.idempotency.c
        row = connection.execute(select(tables.idempotency).where(c.user == user, c.key == key)).first()
        if row is None:
            return None
        if row.fingerprint != fingerprint:
            raise Stale(f"Idempotency-Key {key!r} was used for another request; make a new key for each")
        return self._find(connection, row.resource_id)

    def _next_version(self, connection: Connection, record: Record) -> int:
        """One more than was ever used for this name, counting those in the trash."""
        r = tables.resources.c
        if not self.database.is_sqlite:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtext(:name))"),
                {"name": f"{record.kind}/{record.owner}/{record.name}"},
            )
        statement = select(func.max(r.version)).where(
            r.kind == record.kind, r.owner == record.owner, r.name == record.name
        )
        return (connection.execute(statement).scalar() or 0) + 1

    def _require_live(self, connection: Connection, references: list[Reference]) -> None:
        ids = {reference.target_id for reference in references}
        if not ids:
            return
        r = tables.resources.c
        statement = select(r.id).where(r.id.in_(sorted(ids)), r.deleted_at.is_(None))
        if not self.database.is_sqlite:
            statement = statement.with_for_update(key_share=True)
        live = set(connection.execute(statement).scalars())
        for reference in references:
            if reference.target_id not in live:
                raise NotFound(
                    f"{reference.kind} {reference.target_id!r} (spec.{reference.path}) is no longer there; choose one",
                    fields=[{"path": f"spec.{reference.path}", "message": "does not exist any more"}],
                )

    def _direct_dependents(self, connection: Connection, resource_ids: list[str]) -> list[Record]:
        edges, r = tables.references, tables.resources
        sources = select(edges.c.source_id).where(edges.c.target_id.in_(resource_ids))
        statement = select(r).where(r.c.id.in_(sources), r.c.deleted_at.is_(None)).order_by(r.c.created_at)
        return [to_record(row) for row in connection.execute(statement)]

    def _save(self, connection: Connection, record: Record, extra: dict[str, Any]) -> None:
        values = to_values(record) | extra
        try:
            with connection.begin_nested():
                connection.execute(update(tables.resources).where(tables.resources.c.id == record.id).values(values))
        except IntegrityError as error:
            raise NameTaken(f"{record.label} exists already; choose another name") from error

    def _write_edges(self, connection: Connection, record: Record, references: Iterable[Reference] | None) -> None:
        if references is not None:
            connection.execute(delete(tables.references).where(tables.references.c.source_id == record.id))
            for reference in references:
                connection.execute(
                    insert(tables.references).values(
                        source_id=record.id, path=reference.path, kind=reference.kind, target_id=reference.target_id
                    )
                )
        held = object_ids(record.spec, record.outputs, record.internal)
        c = tables.held_objects.c
        known = set(connection.execute(select(c.oid).where(c.resource_id == record.id)).scalars())
        if known - held:
            connection.execute(
                delete(tables.held_objects).where(and_(c.resource_id == record.id, c.oid.in_(sorted(known - held))))
            )
        if held - known:
            connection.execute(
                insert(tables.held_objects), [{"resource_id": record.id, "oid": oid} for oid in sorted(held - known)]
            )

    def _emit(self, connection: Connection, type_: str, record: Record) -> None:
        if not self.database.is_sqlite:
            # ids become visible in order only if they are also committed in order
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_EVENT_LOCK})"))
        last_seen: Json | None = None
        if type_ == "purged":
            last_seen = {
                "name": record.name,
                "version": record.version,
                "owner": record.owner,
                "visibility": record.visibility.value,
                "group": record.group,
            }
        connection.execute(
            insert(tables.events).values(
                at=self.clock(), type=type_, resource_id=record.id, kind=record.kind, last_seen=last_seen
            )
        )


def make_in_use(record: Record | None, dependents: list[Record]) -> InUse:
    """The refusal that lists who needs it."""
    label = record.label if record is not None else "it"
    names = ", ".join(dependent.label for dependent in dependents[:5])
    more = f" and {len(dependents) - 5} more" if len(dependents) > 5 else ""
    return InUse(
        f"{label} is in use by {names}{more}; delete these first, or delete all of them together",
        dependents=[summary(dependent) for dependent in dependents],
    )


def summary(record: Record) -> Json:
    """A resource in a few words, for lists inside other answers."""
    return {
        "id": record.id,
        "kind": record.kind,
        "name": record.name,
        "version": record.version or None,
        "owner": record.owner,
        "phase": record.phase,
    }
