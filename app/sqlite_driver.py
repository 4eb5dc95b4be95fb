"""aiosqlite with one hop to its thread for each statement."""

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import aiosqlite


class Connection(aiosqlite.Connection):
    """Goes to the thread once a statement, where aiosqlite's own cursor goes four times, and not to
    roll nothing back: each time takes longer than most statements.
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
