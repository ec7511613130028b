"""Messages to be delivered elsewhere (MLflow, for one), written with what they are about and removed once delivered."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from orrery.domain.records import utc_now
from orrery.store import tables
from orrery.store.database import Database


@dataclass(frozen=True)
class Message:
    id: int
    topic: str
    resource_id: str


class OutboxStore:
    def __init__(self, database: Database) -> None:
        self.database = database

    def put(self, topic: str, resource_id: str) -> None:
        """Add a message unless the same one waits already."""
        o = tables.outbox.c
        with self.database.write() as connection:
            waiting = connection.execute(select(o.id).where(o.topic == topic, o.resource_id == resource_id)).first()
            if waiting is None:
                connection.execute(
                    insert(tables.outbox).values(topic=topic, resource_id=resource_id, created_at=utc_now())
                )

    def pending(self, limit: int = 100) -> list[Message]:
        """The oldest messages first."""
        o = tables.outbox.c
        with self.database.read() as connection:
            rows = connection.execute(select(tables.outbox).order_by(o.id).limit(limit)).all()
        return [Message(row.id, row.topic, row.resource_id) for row in rows]

    def done(self, message_id: int) -> None:
        with self.database.write() as connection:
            connection.execute(delete(tables.outbox).where(tables.outbox.c.id == message_id))
