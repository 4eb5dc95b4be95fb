"""SQLite, made to behave as the servers do, and its driver to take one hop a statement."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import sqlalchemy
from sqlalchemy import URL, StaticPool, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection

from app.folders import make_private

LOCK = "keystead_lock"
"""The execution option of a read that must keep what it read."""

_READS = ("SELECT", "PRAGMA")


class Connection(aiosqlite.Connection):
    """aiosqlite's, with a cursor that goes to the thread once a statement, where its own goes four
    times, and no rollback of nothing: each time takes longer than most statements.
    """

    takes_lock = False
    """Whether the next statement takes the write lock first."""

    async def cursor(self) -> Any:  # type: ignore[override]
        return Cursor(self)

    async def run(self, work: Callable[[], None]) -> None:
        """Wait until the thread has done `work`."""
        await self._execute(work)  # type: ignore[no-untyped-call]

    async def rollback(self) -> None:
        if self.in_transaction:
            await super().rollback()


class Cursor:
    """A statement's outcome, fetched whole, in the form that SQLAlchemy asks aiosqlite for."""

    description: Any = None
    rowcount = -1
    lastrowid: int | None = None

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []

    async def execute(self, statement: str, parameters: Any = ()) -> None:
        work = partial(self._run, sqlite3.Cursor.execute, statement, parameters)
        await self._connection.run(work)

    async def executemany(self, statement: str, parameters: Any) -> None:
        work = partial(self._run, sqlite3.Cursor.executemany, statement, parameters)
        await self._connection.run(work)

    async def fetchall(self) -> list[Any]:
        return self._rows

    async def close(self) -> None:
        """Do nothing: the thread has closed it."""

    def _run(self, execute: Any, statement: str, parameters: Any) -> None:
        connection = self._connection._conn
        cursor = connection.cursor()
        try:
            if self._connection.takes_lock and not connection.in_transaction:
                cursor.execute("BEGIN IMMEDIATE")
            execute(cursor, statement, parameters)
            self._rows = cursor.fetchall()
            self.description, self.rowcount = cursor.description, cursor.rowcount
            self.lastrowid = cursor.lastrowid
        finally:
            # Left to the garbage collector before Python 3.13, one that failed is finalized by the
            # event loop's thread, which then waits for what this connection's own waits for.
            cursor.close()


async def connect(file: str, **options: Any) -> Connection:
    """Connect as aiosqlite does, with `options` of the standard library's driver."""
    connection = Connection(partial(sqlite3.connect, file, **options), iter_chunk_size=0)
    connection._thread.daemon = True
    await connection
    return connection


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


def open_reader(url: URL) -> sqlalchemy.Engine:
    """Return an engine that reads by one connection, without a thread.

    A row found by its key takes a twentieth of what a hop takes. No writer is in its way.
    """
    engine = create_engine(
        url.set(drivername="sqlite"),
        poolclass=StaticPool,
        hide_parameters=True,
        # Readers wait only while the log of a process that died is taken over.
        connect_args={"isolation_level": None, "timeout": 1},
    )

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _: object) -> None:
        connection.cursor().execute("PRAGMA query_only=ON")

    return engine
