"""Rows to records and back, and the paging of lists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, exists, false, or_, select

from orrery.domain.access import User, Visibility
from orrery.domain.records import Record, Target
from orrery.errors import Invalid
from orrery.store import tables
from orrery.store.orders import beyond, make_cursor, make_keys, read_cursor

MAX_PAGE: Final = 500


def to_values(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "kind": record.kind,
        "owner": record.owner,
        "name": record.name,
        "version": record.version,
        "visibility": record.visibility.value,
        "group_name": record.group,
        "description": record.description,
        "tags": f"|{'|'.join(record.tags)}|" if record.tags else "",
        "spec": record.spec,
        "target": record.target.value,
        "phase": record.phase,
        "reason": record.reason,
        "message": record.message,
        "progress": record.progress,
        "outputs": record.outputs,
        "internal": record.internal,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "deleted_at": record.deleted_at,
        "etag": record.etag,
        "attempts": record.attempts,
    }


def to_record(row: Row[Any]) -> Record:
    return Record(
        id=row.id,
        kind=row.kind,
        owner=row.owner,
        name=row.name,
        version=row.version,
        visibility=Visibility(row.visibility),
        group=row.group_name,
        description=row.description,
        tags=tuple(row.tags.strip("|").split("|")) if row.tags else (),
        spec=row.spec,
        target=Target(row.target),
        phase=row.phase,
        reason=row.reason,
        message=row.message,
        progress=row.progress,
        outputs=row.outputs,
        internal=row.internal,
        started_at=row.started_at,
        ended_at=row.ended_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
        etag=row.etag,
        attempts=row.attempts,
    )


@dataclass(frozen=True)
class Query:
    """What a list asks for. `viewer` None sees everything (the platform itself)."""

    kind: str | None = None
    viewer: User | None = None
    owner: str | None = None
    phases: frozenset[str] | None = None
    reason: str | None = None
    tag: str | None = None
    #: a part of the name or description, letter case ignored
    text: str | None = None
    name: str | None = None
    order: str = "-created_at"
    limit: int = 50
    cursor: str | None = None
    trashed: bool = False
    #: a path of the spec: those that refer to something there are left out
    without: str | None = None
    #: an id: only those that refer to that resource
    refers_to: str | None = None


@dataclass(frozen=True)
class Page:
    items: list[Record]
    #: where the next page begins; None: this was the last
    next: str | None


def visible_to(user: User) -> ColumnElement[bool]:
    """The rows that `user` may read, as `orrery.domain.access` says it."""
    r = tables.resources.c
    if user.admin:
        return r.id.is_not(None)
    groups = sorted(user.groups)
    return or_(
        r.owner == user.name,
        r.owner.in_(groups) if groups else false(),
        r.visibility == Visibility.PUBLIC.value,
        and_(r.visibility == Visibility.GROUP.value, r.group_name.in_(groups)) if groups else false(),
    )


def escape_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def conditions(query: Query) -> list[ColumnElement[bool]]:
    r = tables.resources.c
    found: list[ColumnElement[bool]] = [r.deleted_at.is_not(None) if query.trashed else r.deleted_at.is_(None)]
    if query.kind is not None:
        found.append(r.kind == query.kind)
    if query.viewer is not None and not query.viewer.admin:
        found.append(visible_to(query.viewer))
    if query.owner is not None:
        found.append(r.owner == query.owner)
    if query.name is not None:
        found.append(r.name == query.name)
    if query.phases is not None:
        found.append(r.phase.in_(sorted(query.phases)))
    if query.reason is not None:
        found.append(r.reason == query.reason)
    if query.tag is not None:
        found.append(r.tags.like(f"%|{escape_like(query.tag)}|%", escape="\\"))
    if query.without is not None:
        edges = tables.references.c
        found.append(~exists().where(edges.source_id == r.id, edges.path == query.without))
    if query.refers_to is not None:
        edges = tables.references.c
        found.append(exists().where(edges.source_id == r.id, edges.target_id == query.refers_to))
    if query.text:
        pattern = f"%{escape_like(query.text)}%"
        found.append(or_(r.name.ilike(pattern, escape="\\"), r.description.ilike(pattern, escape="\\")))
    return found


def make_page_select(query: Query, *, is_sqlite: bool) -> Select[Any]:
    """One page by keyset, one row more than asked for so that the end is known.

    Raises: Invalid for an unknown order, a limit out of range or a cursor not given by an earlier page of this order.
    """
    keys = make_keys(query.order, is_sqlite=is_sqlite)
    if not 1 <= query.limit <= MAX_PAGE:
        raise Invalid(f"limit {query.limit} is out of range; use 1 to {MAX_PAGE}")
    statement = select(tables.resources).where(*conditions(query))
    if query.cursor is not None:
        statement = statement.where(beyond(keys, read_cursor(query.cursor, query.order, len(keys))))
    ordering = [key.column.desc() if key.is_descending else key.column.asc() for key in keys]
    return statement.order_by(*ordering).limit(query.limit + 1)


def make_page(query: Query, records: list[Record]) -> Page:
    if len(records) <= query.limit:
        return Page(records, None)
    items = records[: query.limit]
    return Page(items, make_cursor(query.order, items[-1]))


def touched(record: Record, now: datetime) -> Record:
    """The next version of `record`, as it is written."""
    return replace(record, updated_at=now, etag=record.etag + 1)
