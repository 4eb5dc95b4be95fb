"""SQLite: its arguments, and event listeners that give it the servers' isolation."""

from pathlib import Path
from ssl import SSLContext
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from app.database import limits
from app.folders import make_private, make_private_file

LOCK = "keystead_lock"
"""The execution option of a SELECT that locks its rows."""

_READS = ("SELECT", "PRAGMA")


def connect_arguments(_: str | None, __: SSLContext | None, *, bounded: bool) -> dict[str, Any]:
    """Return the arguments to connect with."""
    from app.database.sqlite_driver import connect

    return {
        # The standard library's own BEGIN comes too late, and leaves DDL outside.
        "isolation_level": None,
        "timeout": limits.QUEUE_SECONDS,
        "async_creator_fn": connect,
    }


def register_events(engine: sqlalchemy.Engine, path: str | None) -> None:
    """Give the connections of `engine` READ COMMITTED, WAL and foreign keys.

    Reads never wait: each stands alone until the first write, or locking read, takes the write lock
    with BEGIN IMMEDIATE. A deferred BEGIN would fail when its transaction starts to write.
    """
    if path and path != ":memory:":
        make_private(Path(path).parent)

        @event.listens_for(engine, "do_connect")
        def create_private(*_: object) -> None:
            # SQLite would create the file with mode 0644.
            make_private_file(Path(path))

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "before_cursor_execute")
    def begin_with_the_first_write(
        connection: sqlalchemy.Connection,
        cursor: Any,
        statement: str,
        _: Any,
        context: Any,
        __: bool,
    ) -> None:
        reads = statement.startswith(_READS) and LOCK not in context.execution_options
        driver: Any = connection.connection.driver_connection
        driver.takes_lock = not reads
