"""The rows of one record inside a transaction: itself, its edges, the objects it holds, its events.

Statements that run many times a second are built once: building one costs SQLAlchemy more than running it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from orrery.domain.records import Json, Record, Reference, object_ids
from orrery.errors import NameTaken, NotFound, Stale
from orrery.store import tables
from orrery.store.database import Database
from orrery.store.rows import to_record, to_values

_EVENT_LOCK: Final = 7266373742
_FIND: Final = select(tables.resources).where(tables.resources.c.id == bindparam("sought"))
_FIND_LOCKED: Final = _FIND.with_for_update()
_SAVE: Final = update(tables.resources).where(tables.resources.c.id == bindparam("saved"))
_INSERT: Final = insert(tables.resources)
_INSERT_EDGES: Final = insert(tables.references)
_INSERT_EVENT: Final = insert(tables.events)
_HELD: Final = select(tables.held_objects.c.oid).where(tables.held_objects.c.resource_id == bindparam("holder"))


class RecordRows:
    """Every method works inside the caller's transaction; one that raises expects it to be rolled back."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self.database = database
        self.clock = clock

    def find(self, connection: Connection, resource_id: str, *, lock: bool = False) -> Record | None:
        """With `lock` nobody else changes it until the transaction ends."""
        statement = _FIND_LOCKED if lock and not self.database.is_sqlite else _FIND
        row = connection.execute(statement, {"sought": resource_id}).first()
        return to_record(row) if row is not None else None

    def answered(self, connection: Connection, user: str, key: str, fingerprint: str | None) -> Record | None:
        """What an earlier request with this idempotency key made.

        Raises: Stale when it asked for something else than `fingerprint`; None: whatever it asked for.
        """
        c = tables.idempotency.c
        row = connection.execute(select(tables.idempotency).where(c.user == user, c.key == key)).first()
        if row is None:
            return None
        if fingerprint is not None and row.fingerprint != fingerprint:
            raise Stale(f"Idempotency-Key {key!r} was used for another request; make a new key for each")
        return self.find(connection, row.resource_id)

    def next_version(self, connection: Connection, record: Record) -> int:
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

    def require_live(self, connection: Connection, references: list[Reference]) -> None:
        """Raises: NotFound naming the first reference whose target has gone."""
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

    def direct_dependents(self, connection: Connection, resource_ids: list[str]) -> list[Record]:
        edges, r = tables.references, tables.resources
        sources = select(edges.c.source_id).where(edges.c.target_id.in_(resource_ids))
        statement = select(r).where(r.c.id.in_(sources), r.c.deleted_at.is_(None)).order_by(r.c.created_at)
        return [to_record(row) for row in connection.execute(statement)]

    def insert(self, connection: Connection, record: Record, references: list[Reference], *, due: bool) -> None:
        """Raises: NameTaken."""
        values = to_values(record) | {"due_at": self.clock() if due else None}
        try:
            connection.execute(_INSERT, values)
        except IntegrityError as error:
            raise NameTaken(
                f"{record.label} exists already; choose another name, or delete that one first",
                fields=[{"path": "name", "message": f"{record.name!r} is in use"}],
            ) from error
        self._insert_edges(connection, record, references)
        self._hold(connection, record, frozenset())

    def save(self, connection: Connection, record: Record, extra: dict[str, Any]) -> None:
        """Raises: NameTaken."""
        try:
            connection.execute(_SAVE, {**to_values(record), **extra, "saved": record.id})
        except IntegrityError as error:
            raise NameTaken(f"{record.label} exists already; choose another name") from error

    def write_edges(self, connection: Connection, record: Record, references: Iterable[Reference] | None) -> None:
        """Bring what it refers to (None: as it was) and the objects it holds up to date."""
        if references is not None:
            connection.execute(delete(tables.references).where(tables.references.c.source_id == record.id))
            self._insert_edges(connection, record, references)
        self._hold(connection, record, frozenset(connection.execute(_HELD, {"holder": record.id}).scalars()))

    def _insert_edges(self, connection: Connection, record: Record, references: Iterable[Reference]) -> None:
        edges = [
            {"source_id": record.id, "path": edge.path, "kind": edge.kind, "target_id": edge.target_id}
            for edge in references
        ]
        if edges:
            connection.execute(_INSERT_EDGES, edges)

    def _hold(self, connection: Connection, record: Record, known: frozenset[str]) -> None:
        held = object_ids(record.spec, record.outputs, record.internal)
        c = tables.held_objects.c
        if known - held:
            connection.execute(
                delete(tables.held_objects).where(and_(c.resource_id == record.id, c.oid.in_(sorted(known - held))))
            )
        if held - known:
            connection.execute(
                insert(tables.held_objects), [{"resource_id": record.id, "oid": oid} for oid in sorted(held - known)]
            )

    def emit(self, connection: Connection, type_: str, record: Record) -> None:
        """Write the event that tells of the change."""
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
            _INSERT_EVENT,
            {
                "at": self.clock(),
                "type": type_,
                "resource_id": record.id,
                "kind": record.kind,
                "last_seen": last_seen,
            },
        )
