"""The database: one engine, its transactions, reads and streams."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import sqlalchemy
from sqlalchemy import Engine, Select, event, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool
from sqlalchemy.util import await_only

from app.database import mysql, postgresql, sqlite
from app.database.credentials import RotatingCredentials
from app.database.errors import translate_connect_errors, translate_driver_errors
from app.database.readers import FileReader, PoolReader
from app.database.session import TransactionSession
from app.errors import APIError, DatabaseUnavailable
from app.settings.database_hosts import split_servers
from app.settings.database_url import split_tls_options

Row = TypeVar("Row", bound=tuple[Any, ...])

_CONNECT_ARGUMENTS: dict[str, Callable[..., dict[str, Any]]] = {
    "aiosqlite": sqlite.connect_arguments,
    "asyncpg": postgresql.connect_arguments,
    "aiomysql": mysql.connect_arguments,
}
# Lambda freezes the process between requests; the server may have closed an idle connection since.
_ONE_CONNECTION = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 5, "pool_recycle": 300}
# A connection that was idle for less is used without a ping.
_PING_AFTER_SECONDS = 1
_STREAM_ROWS = 1_000  # fetched at a time


class Database:
    """One engine, its transactions, and reads without one. Connects when first used."""

    def __init__(
        self,
        url: str,
        *,
        bounded: bool = True,
        connections: int = 20,
        single: bool = False,
        pooler: str = "none",
        current_url: Callable[[], str] | None = None,
    ) -> None:
        """Take a URL with its driver.

        `bounded`: limit the time of statements and locks, and translate the driver's errors;
        migrations do neither. `connections`: the most that are opened, all of them kept. `single`:
        keep one, for a process that serves one request at a time. `pooler`: the mode of one in
        front of PostgreSQL, `session` or `transaction`. `current_url`: returns the URL
        anew when the server refuses the password. Raises ValueError for options of the URL that
        cannot work.
        """
        parsed, mode, context = split_tls_options(make_url(url))
        # Beyond the pool's size, each would be opened and closed for one transaction.
        pool = _ONE_CONNECTION if single else {"pool_size": connections, "max_overflow": 0}
        options: dict[str, Any] = {"hide_parameters": True, **pool}
        more: dict[str, Any] = {} if pooler == "none" else {"pooler": pooler}
        if parsed.get_backend_name() == "postgresql":
            parsed, more["servers"] = split_servers(parsed)
        connect_arguments = _CONNECT_ARGUMENTS[parsed.get_driver_name()]
        arguments = connect_arguments(mode, context, bounded=bounded, **more)
        if current_url is not None:
            connect = arguments["async_creator_fn"]
            arguments["async_creator_fn"] = RotatingCredentials(connect, current_url)
        if bounded:
            arguments["async_creator_fn"] = _translated(arguments["async_creator_fn"])
        if parsed.get_backend_name() == "postgresql":
            options["isolation_level"] = "READ COMMITTED"
        self.engine = create_async_engine(parsed, connect_args=arguments, **options)
        engine = self.engine.sync_engine
        _register_events(engine, 0 if single else _PING_AFTER_SECONDS, bounded=bounded)
        on_server = parsed.get_backend_name() != "sqlite"
        self._reader = PoolReader(engine) if on_server else FileReader(parsed.database or "")
        self._sessions = async_sessionmaker(
            self.engine, expire_on_commit=False, sync_session_class=TransactionSession
        )

    @property
    def connections_in_use(self) -> int:
        """The number of connections of the pool that transactions and reads hold now."""
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    async def read(self, statement: Select[Row], **values: Any) -> Sequence[sqlalchemy.Row[Row]]:
        """Return the rows of one SELECT, in one round trip and outside of any transaction.

        For a few rows that an index finds: on SQLite the event loop waits for them. Raises
        DatabaseUnavailable, TransactionConflict.
        """
        try:
            rows: Sequence[sqlalchemy.Row[Row]] = await self._reader.read(statement, values)
        except PoolTimeout as error:
            raise DatabaseUnavailable("connection pool exhausted") from error
        return rows

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Give a session whose transaction is committed at the end of the block.

        An error rolls it back, unless its class keeps its writes: then it is committed before the
        error goes on. Raises DatabaseUnavailable, TransactionConflict and, for a bug,
        ConstraintViolated.
        """
        try:
            async with self._sessions() as session:
                try:
                    yield session
                except APIError as error:
                    if error.keeps_writes:
                        await session.commit()
                    raise
                await session.commit()
        except PoolTimeout as error:
            raise DatabaseUnavailable("connection pool exhausted") from error

    @asynccontextmanager
    async def stream(
        self, statement: Select[Row], **values: Any
    ) -> AsyncIterator[AsyncIterator[sqlalchemy.Row[Row]]]:
        """Give the rows of a SELECT one after the other, in constant memory.

        The connection is dropped if rows are left. Raises DatabaseUnavailable, TransactionConflict.
        """
        async with self._sessions() as session:
            options = {"yield_per": _STREAM_ROWS}
            result = await session.stream(statement, values, execution_options=options)
            has_ended = False

            async def rows() -> AsyncIterator[sqlalchemy.Row[Row]]:
                nonlocal has_ended
                async for row in result:
                    yield row
                has_ended = True

            try:
                yield rows()
            finally:
                if not has_ended:
                    # MySQL would send the rows that are left before it takes another statement.
                    await session.invalidate()

    async def close(self) -> None:
        await self._reader.close()
        await self.engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _translated(connect: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def translated_connect(*args: Any, **options: Any) -> Any:
        with translate_connect_errors():
            return await connect(*args, **options)

    return translated_connect


def _register_events(engine: Engine, ping_after_seconds: float, *, bounded: bool) -> None:
    """Register the event listeners that this dialect needs."""
    if bounded:
        translate_driver_errors(engine)
    if engine.dialect.name == "sqlite":
        sqlite.register_events(engine, engine.url.database)
        return
    _ping_idle_connections(engine, ping_after_seconds)
    if engine.dialect.name != "postgresql" and bounded:
        mysql.register_events(engine)


def _ping_idle_connections(engine: Engine, after_seconds: float) -> None:
    @event.listens_for(engine, "checkin")
    def note(_: object, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ping(connection: Any, record: ConnectionPoolEntry, _: object) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is None or time.monotonic() - idle_since < after_seconds:
            return
        try:
            if engine.dialect.name == "postgresql":
                # SQLAlchemy's ping begins and ends a transaction around it: three round trips.
                await_only(connection.driver_connection.execute("SELECT 1"))
            else:
                engine.dialect.do_ping(connection)
        except Exception as gone:  # of any kind: asyncpg has errors of its own
            raise InvalidatePoolError from gone
