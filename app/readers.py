"""Reads that stand alone: one round trip each, and no transaction."""

import sqlite3
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Executable, StaticPool, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import greenlet_spawn


class PoolReader:
    """Reads from a server, by the connections of an engine that has transactions besides."""

    def __init__(self, engine: Engine) -> None:
        self._engine = Engine(engine.pool, engine.dialect, engine.url, hide_parameters=True)
        if engine.dialect.name == "postgresql":
            _begin_nothing(self._engine)

    async def read(self, statement: Executable, values: Mapping[str, Any]) -> Any:
        return await greenlet_spawn(self._read, statement, values)

    def _read(self, statement: Executable, values: Mapping[str, Any]) -> Any:
        with self._engine.connect() as connection:
            return connection.execute(statement, values).all()

    async def close(self) -> None:
        """Leave the connections to whom they belong."""


class FileReader:
    """Reads from SQLite in the event loop, by one connection that it keeps.

    A row found by its key takes a twentieth of what a hop to a thread takes, and less than asking a
    pool does. No writer is in its way.
    """

    def __init__(self, file: str) -> None:
        """Take its path. Nothing is made where there is no file."""
        # Readers wait only while the log of a process that died is taken over.
        options: dict[str, Any] = {"isolation_level": None, "timeout": 1}
        uri = f"file:{quote(file)}?mode=rw"
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(uri, uri=True, **options),
            poolclass=StaticPool,
            hide_parameters=True,
        )

    @cached_property
    def _connection(self) -> Connection:
        return self._engine.connect()

    async def read(self, statement: Executable, values: Mapping[str, Any]) -> Any:
        return self._connection.execute(statement, values).all()

    async def close(self) -> None:
        self._engine.dispose()


def _begin_nothing(engine: Engine) -> None:
    """Let what `engine` executes stand alone on PostgreSQL; others that share its pool do not."""
    to = engine.dialect.set_isolation_level

    @event.listens_for(engine, "engine_connect")
    def begin_nothing(connection: Connection) -> None:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        to(driver, "AUTOCOMMIT")

    @event.listens_for(engine, "checkin")
    def begin_again(connection: DBAPIConnection | None, _: ConnectionPoolEntry) -> None:
        if connection is not None:
            to(connection, "READ COMMITTED")
