"""Reads outside of transactions, in one round trip each."""

import sqlite3
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Executable, StaticPool, create_engine
from sqlalchemy.util import greenlet_spawn

from app.database.errors import translate_driver_errors
from app.database.postgresql import read_in_autocommit


class PoolReader:
    """Reads from a server, through the connection pool of `engine`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = Engine(engine.pool, engine.dialect, engine.url, hide_parameters=True)
        if engine.dialect.name == "postgresql":
            read_in_autocommit(self._engine)

    async def read(self, statement: Executable, values: Mapping[str, Any]) -> Any:
        return await greenlet_spawn(self._read, statement, values)

    def _read(self, statement: Executable, values: Mapping[str, Any]) -> Any:
        with self._engine.connect() as connection:
            return connection.execute(statement, values).all()

    async def close(self) -> None:
        """Do nothing: the pool belongs to the engine."""


class FileReader:
    """Reads from SQLite in the event loop, on one connection that stays open.

    A read by key takes a twentieth of a hop to a thread, and less than a pool's checkout. In WAL
    mode it never waits for a writer.
    """

    def __init__(self, file: str) -> None:
        """`file`: its path. A missing file is not created.

        A file that is created by a read would be in the way of one that is restored from a backup.
        """
        # A reader waits only while SQLite recovers the log of a process that died.
        options: dict[str, Any] = {"isolation_level": None, "timeout": 1}
        uri = f"file:{quote(file)}?mode=rw"
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(uri, uri=True, **options),
            poolclass=StaticPool,
            hide_parameters=True,
        )
        translate_driver_errors(self._engine)

    @cached_property
    def _connection(self) -> Connection:
        return self._engine.connect()

    async def read(self, statement: Executable, values: Mapping[str, Any]) -> Any:
        return self._connection.execute(statement, values).all()

    async def close(self) -> None:
        self._engine.dispose()
