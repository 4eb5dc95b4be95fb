"""SQLite, made to behave as the servers do."""

from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from app.folders import make_private

LOCK = "keystead_lock"
"""The execution option of a read that must keep what it read."""

_READS = ("SELECT", "PRAGMA")


def behave(engine: sqlalchemy.Engine, path: str | None) -> None:
    """Make SQLite behave like READ COMMITTED elsewhere.

    Readers never wait: each read stands alone, until the first write (or locked read) takes the
    one write lock with BEGIN IMMEDIATE. A deferred BEGIN would fail when it turns into a writer.
    """
    if path and path != ":memory:":
        make_private(Path(path).parent)

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
