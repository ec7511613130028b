"""Opening the database: SQLite (WAL) by default, PostgreSQL by URL; migrations; one way to begin a transaction."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import OperationalError

from orrery.errors import OutOfSpace

MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """Thread-safe. Writers on SQLite queue up behind one another, readers never wait."""

    def __init__(self, url: str) -> None:
        self.url = url
        # SQLite's own wait sleeps in growing steps; a lock hands over at once
        self._writer = threading.Lock()
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            self.engine = create_engine(
                url, connect_args={"timeout": 30, "check_same_thread": False}, pool_size=8, max_overflow=32
            )
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self.engine = create_engine(url, pool_size=8, max_overflow=16, pool_pre_ping=True)

    @contextmanager
    def write(self, *, durable: bool = True) -> Generator[Connection]:
        """A transaction that may write. Raises: OutOfSpace when the disk is full; nothing of it is kept then.

        `durable` False spares the wait for the disk: the transaction survives the end of every process, but may be
        undone by a power cut. That is enough for what a reconciler would find again.
        """
        options = {"orrery_write": "durable" if durable else "quick"}
        with self._turn(), self.engine.connect().execution_options(**options) as connection:
            try:
                with connection.begin():
                    yield connection
            except OperationalError as error:
                if "full" in str(error.orig).lower():
                    raise OutOfSpace(
                        "the disk that holds the platform's database is full; free some space and try again"
                    ) from error
                raise

    def _turn(self) -> AbstractContextManager[object]:
        return self._writer if self.is_sqlite else nullcontext()

    @contextmanager
    def read(self) -> Generator[Connection]:
        """A consistent view; sees no write that is committed after it began."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    def migrate(self) -> None:
        """Bring the schema to the newest revision. Two platforms that start at once take turns."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.write() as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(7266373741)"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        self.engine.dispose()


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # SQLAlchemy opens transactions (see _begin_sqlite), not the driver
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.execute("PRAGMA cache_size=-8000")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    kind = connection.get_execution_options().get("orrery_write")
    if kind is None:
        connection.exec_driver_sql("BEGIN")
        return
    connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if kind == 'durable' else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def open_database(url: str) -> Database:
    """Open and migrate. `url` as SQLAlchemy takes it: `sqlite:////path/orrery.db`, `postgresql+psycopg://...`."""
    database = Database(url)
    database.migrate()
    return database
