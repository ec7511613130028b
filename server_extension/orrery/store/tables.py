"""The SQL tables. Only this folder talks SQL.

Times are whole microseconds since 1970 (UTC) in a BIGINT: they sort and compare the same on SQLite and PostgreSQL.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; use aware UTC times")
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


class Moment(TypeDecorator[datetime]):
    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else from_microseconds(value)


class Document(TypeDecorator[Any]):
    """JSON as text, with NaN refused: it would not survive PostgreSQL or JavaScript."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else orjson.loads(value)


metadata: Final = MetaData()

# SQLite gives new rows numbers that never repeat only with AUTOINCREMENT
_SERIAL: Final = BigInteger().with_variant(Integer, "sqlite")

resources: Final = Table(
    "resources",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("name", String(64), nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("visibility", String(16), nullable=False),
    Column("group_name", String(255)),
    Column("description", Text, nullable=False, server_default=""),
    #: "|a|b|", so that one tag is found by LIKE '%|a|%'
    Column("tags", Text, nullable=False, server_default=""),
    Column("spec", Document, nullable=False),
    Column("target", String(16), nullable=False),
    Column("phase", String(40), nullable=False),
    Column("reason", String(64), nullable=False, server_default=""),
    Column("message", Text, nullable=False, server_default=""),
    Column("progress", Document),
    Column("outputs", Document, nullable=False),
    Column("internal", Document, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("deleted_at", Moment),
    Column("etag", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    #: when a reconciler should look at it; NULL: when something happens to it
    Column("due_at", Moment),
    Column("lease_token", String(64)),
    Column("lease_until", Moment),
    Index(
        "resources_live_name",
        "kind",
        "owner",
        "name",
        "version",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
    Index("resources_by_age", "kind", "deleted_at", "created_at", "id"),
    Index("resources_by_owner_age", "owner", "kind", "deleted_at", "created_at", "id"),
    Index(
        "resources_due", "due_at", sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL")
    ),
    Index(
        "resources_leased",
        "lease_until",
        sqlite_where=text("lease_until IS NOT NULL"),
        postgresql_where=text("lease_until IS NOT NULL"),
    ),
    # what `store.summaries` counts, each question from one index alone
    Index("resources_by_phase", "kind", "phase", "deleted_at", "owner", "visibility", "group_name"),
    Index("resources_by_creation", "kind", "deleted_at", "created_at", "owner", "visibility", "group_name"),
    Index("resources_by_end", "kind", "deleted_at", "phase", "ended_at", "owner", "visibility", "group_name"),
)

references: Final = Table(
    "references",
    metadata,
    Column("source_id", String(40), ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    Column("path", String(255), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("target_id", String(40), ForeignKey("resources.id"), nullable=False),
    Index("references_by_target", "target_id"),
)

held_objects: Final = Table(
    "held_objects",
    metadata,
    Column("resource_id", String(40), ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    Column("oid", String(64), primary_key=True),
    Index("held_objects_by_oid", "oid"),
)

events: Final = Table(
    "events",
    metadata,
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("type", String(16), nullable=False),
    Column("resource_id", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    #: what a purged resource was, so that those who could see it learn of its end
    Column("last_seen", Document),
    Index("events_by_age", "at"),
    sqlite_autoincrement=True,
)

metrics: Final = Table(
    "metrics",
    metadata,
    Column("resource_id", String(40), ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    Column("run", Integer, primary_key=True),
    Column("key", String(255), primary_key=True),
    #: the order it was reported in
    Column("position", _SERIAL, primary_key=True, autoincrement=False),
    Column("step", BigInteger),
    Column("value", Float),
    #: "NaN", "Infinity" or "-Infinity" where `value` cannot hold it
    Column("special", String(9)),
    Column("at", Moment, nullable=False),
)

trials: Final = Table(
    "trials",
    metadata,
    Column("tuning_id", String(40), ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    #: its training, which may have been deleted since
    Column("training_id", String(40), nullable=False),
    Column("status", String(20), nullable=False),
    Column("parameters", Document, nullable=False),
    #: one for each objective, once it has succeeded
    Column("targets", Document),
    #: the first of them, to order by
    Column("target", Float),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Index("trials_by_status", "tuning_id", "status"),
    Index("trials_by_target", "tuning_id", "target"),
)

idempotency: Final = Table(
    "idempotency",
    metadata,
    Column("user", String(255), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("resource_id", String(40), nullable=False),
    Column("created_at", Moment, nullable=False),
)

outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("topic", String(40), nullable=False),
    Column("resource_id", String(40), nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("outbox_by_topic", "topic", "id"),
    sqlite_autoincrement=True,
)

leases: Final = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("token", String(64), nullable=False),
    Column("until", Moment, nullable=False),
)

#: what a notebook's server reported last, and what was promised to its owner
notebook_use: Final = Table(
    "notebook_use",
    metadata,
    Column("notebook_id", String(40), ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    Column("reported_at", Moment),
    #: in seconds since 1970: it is not stopped before
    Column("kept_until", Float),
    Column("warned", Document, nullable=False),
    Column("report", Document, nullable=False),
)

notebook_samples: Final = Table(
    "notebook_samples",
    metadata,
    Column("notebook_id", String(40), ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    #: seconds since 1970 at which the stretch begins that the sample stands for
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    #: how many seconds long it is
    Column("width", Integer, primary_key=True, autoincrement=False),
    Column("figures", Document, nullable=False),
)
