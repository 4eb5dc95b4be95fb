"""aiosqlite's connection with one hop to its thread for each statement.

Uses aiosqlite's private `_conn`, `_execute` and `_thread`: pyproject.toml bounds its version, and
tests/database/test_sqlite_driver.py says which part has moved.
"""

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import aiosqlite

_FIRST_ROWS = 1_000
"""Rows that are fetched with the statement itself; most statements have fewer."""


class Connection(aiosqlite.Connection):
    """Hops to its thread once a statement, where aiosqlite's own cursor hops four times.

    A hop takes longer than most statements; so an empty ROLLBACK makes none.
    """

    takes_lock = False
    """Whether the next statement takes the write lock first."""

    async def cursor(self) -> Any:  # type: ignore[override]
        return Cursor(self)

    async def run(self, work: Callable[[], Any]) -> Any:
        """Run `work` in the thread and return its result."""
        return await self._execute(work)  # type: ignore[no-untyped-call]

    async def rollback(self) -> None:
        if self.in_transaction:
            await super().rollback()


class Cursor:
    """A statement's result, in the form that SQLAlchemy expects from aiosqlite.

    Rows beyond the first thousand are fetched on demand, so that a stream needs constant memory.
    """

    description: Any = None
    rowcount = -1
    lastrowid: int | None = None

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self._open: sqlite3.Cursor | None = None
        """The cursor of the thread, while rows are left in it."""

    async def execute(self, statement: str, parameters: Any = ()) -> None:
        work = partial(self._run, sqlite3.Cursor.execute, statement, parameters)
        await self._connection.run(work)

    async def executemany(self, statement: str, parameters: Any) -> None:
        work = partial(self._run, sqlite3.Cursor.executemany, statement, parameters)
        await self._connection.run(work)

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        if self._open is not None:
            rows += await self._connection.run(partial(self._fetch, self._open, -1))
        return rows

    async def fetchmany(self, size: int) -> list[Any]:
        if not self._rows and self._open is not None:
            self._rows = await self._connection.run(partial(self._fetch, self._open, size))
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def fetchone(self) -> Any:
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def close(self) -> None:
        self._rows = []
        if self._open is not None:
            await self._connection.run(self._open.close)
            self._open = None

    def _run(self, execute: Any, statement: str, parameters: Any) -> None:
        connection = self._connection._conn
        cursor = connection.cursor()
        try:
            if self._connection.takes_lock and not connection.in_transaction:
                cursor.execute("BEGIN IMMEDIATE")
            execute(cursor, statement, parameters)
            self.description, self.rowcount = cursor.description, cursor.rowcount
            self.lastrowid = cursor.lastrowid
            self._open = cursor
            self._rows = self._fetch(cursor, _FIRST_ROWS)
        except BaseException:
            # Python < 3.13 finalizes a failed cursor in the event loop's thread, which then waits
            # for the lock that this connection's thread waits for.
            cursor.close()
            raise

    def _fetch(self, cursor: sqlite3.Cursor, size: int) -> list[Any]:
        """Fetch up to `size` rows (-1: all) in the thread; close the cursor after the last row."""
        rows = cursor.fetchall() if size < 0 else cursor.fetchmany(size)
        if size < 0 or len(rows) < size:
            cursor.close()
            self._open = None
        return rows


async def connect(file: str, **options: Any) -> Connection:
    """Connect as aiosqlite does, with `options` of the standard library's driver."""
    connection = Connection(partial(sqlite3.connect, file, **options), iter_chunk_size=0)
    connection._thread.daemon = True
    await connection
    return connection
