"""The store of resources: every write keeps its references, held objects and event in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, func, insert, select

from orrery.domain.access import User
from orrery.domain.kinds import Registry
from orrery.domain.records import Json, Record, Reference, utc_now
from orrery.errors import InUse, NotFound, Stale
from orrery.store import tables
from orrery.store.database import Database
from orrery.store.leases import Leases
from orrery.store.record_rows import RecordRows
from orrery.store.rows import Page, Query, make_page, make_page_select, to_record, touched, visible_to

_r: Final = tables.resources.c
_newer: Final = tables.resources.alias("newer")
_NAMED: Final = select(tables.resources).where(
    _r.kind == bindparam("kind"),
    _r.owner.in_(bindparam("owners", expanding=True)),
    _r.name == bindparam("name"),
    _r.deleted_at.is_(None),
)
_NAMED_VERSION: Final = _NAMED.where(_r.version == bindparam("version"))
_NAMED_LATEST: Final = _NAMED.where(
    _r.version
    == select(func.max(_newer.c.version))
    .where(
        _newer.c.kind == _r.kind,
        _newer.c.owner == _r.owner,
        _newer.c.name == _r.name,
        _newer.c.deleted_at.is_(None),
    )
    .scalar_subquery()
)
_EDGES_OF: Final = (
    select(
        tables.references.c.source_id,
        tables.references.c.path,
        tables.references.c.kind.label("ref_kind"),
        tables.resources,
    )
    .join(tables.resources, _r.id == tables.references.c.target_id)
    .where(tables.references.c.source_id.in_(bindparam("sources", expanding=True)))
    .order_by(tables.references.c.source_id, tables.references.c.path)
)


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
        self._listeners: list[Callable[[], None]] = []
        self._rows = RecordRows(database, clock)
        self.leases = Leases(self._rows, instance, self._announce)

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def _announce(self) -> None:
        for listener in self._listeners:
            listener()

    # reading

    def get(self, resource_id: str, *, trashed: bool = False) -> Record:
        """Raises: NotFound. With `trashed`, a record in the trash is found too."""
        with self.database.read() as connection:
            record = self._rows.find(connection, resource_id)
        if record is None or (record.deleted_at is not None and not trashed):
            raise NotFound(f"there is no resource {resource_id!r}")
        return record

    def find(self, resource_id: str) -> Record | None:
        """The record, in the trash or not, or None."""
        with self.database.read() as connection:
            return self._rows.find(connection, resource_id)

    def find_many(self, resource_ids: Iterable[str]) -> dict[str, Record]:
        """Those that are there, in the trash or not, by their ids."""
        statement = select(tables.resources).where(tables.resources.c.id.in_(sorted(set(resource_ids))))
        with self.database.read() as connection:
            return {row.id: to_record(row) for row in connection.execute(statement)}

    def find_named(self, kind: str, owners: Sequence[str], name: str, version: int | None = None) -> Record | None:
        """The live resource of that name, of the first of the owners who has one; its latest version by default."""
        wanted: Json = {"kind": kind, "owners": list(owners), "name": name}
        if version is not None:
            wanted["version"] = version
        with self.database.read() as connection:
            rows = connection.execute(_NAMED_LATEST if version is None else _NAMED_VERSION, wanted)
            found = {row.owner: to_record(row) for row in rows}
        return next((found[owner] for owner in owners if owner in found), None)

    def made_with(self, user: str, key: str) -> Record | None:
        """What was made with the user's idempotency key, whatever was asked for, in the trash or not."""
        with self.database.read() as connection:
            return self._rows.answered(connection, user, key, None)

    def list(self, query: Query) -> Page:
        with self.database.read() as connection:
            rows = connection.execute(make_page_select(query, is_sqlite=self.database.is_sqlite)).all()
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
            if idempotency is not None and (earlier := self._rows.answered(connection, *idempotency)) is not None:
                return earlier
            if self.kinds.named(record.kind).versioned and record.version == 0:
                record = replace(record, version=self._rows.next_version(connection, record))
            references = list(references)
            self._rows.require_live(connection, references)
            self._rows.insert(connection, record, references, due=due)
            if idempotency is not None:
                user, key, fingerprint = idempotency
                connection.execute(
                    insert(tables.idempotency).values(
                        user=user, key=key, fingerprint=fingerprint, resource_id=record.id, created_at=now
                    )
                )
            self._rows.emit(connection, "created", record)
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
            record = self._rows.find(connection, resource_id, lock=True)
            if record is None:
                raise NotFound(f"there is no resource {resource_id!r}")
            if etag is not None and record.etag != etag:
                raise Stale(f"{record.label} was changed meanwhile (etag {record.etag}, not {etag}); read it again")
            changed = touched(change(record), now)
            if references is not None:
                references = list(references)
                self._rows.require_live(connection, references)
            self._rows.save(connection, changed, {"due_at": now} if due else {})
            self._rows.write_edges(connection, changed, references)
            self._rows.emit(connection, event, changed)
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
                record for record in self._rows.direct_dependents(connection, resource_ids) if record.id not in inside
            ]
            if outside:
                raise make_in_use(self._rows.find(connection, resource_ids[0]), outside)
            for resource_id in resource_ids:
                record = self._rows.find(connection, resource_id, lock=True)
                if record is None or record.deleted_at is not None:
                    continue
                changed = touched(change(record), now)
                self._rows.save(connection, changed, {"due_at": now})
                self._rows.emit(connection, "deleted", changed)
                moved.append(changed)
        self._announce()
        return moved

    def purge(self, resource_id: str) -> None:
        """Forget a record in the trash, its edges and metrics. Its objects are left to the collector."""
        with self.database.write() as connection:
            record = self._rows.find(connection, resource_id, lock=True)
            if record is None or record.deleted_at is None:
                return
            self._rows.emit(connection, "purged", record)
            connection.execute(delete(tables.references).where(tables.references.c.target_id == resource_id))
            connection.execute(delete(tables.resources).where(tables.resources.c.id == resource_id))
        self._announce()

    # the graph

    def references_of(self, resource_ids: Iterable[str]) -> dict[str, list[tuple[Reference, Record]]]:
        """What each of the resources refers to, with the records referred to."""
        ids = list(resource_ids)
        found: dict[str, list[tuple[Reference, Record]]] = {resource_id: [] for resource_id in ids}
        with self.database.read() as connection:
            for row in connection.execute(_EDGES_OF, {"sources": ids}):
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
                    for r in self._rows.direct_dependents(connection, frontier)
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
