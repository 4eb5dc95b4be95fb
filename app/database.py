"""The database: column types, the engine for each kind, and the transaction at the edge."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self, TypeVar
from uuid import UUID

import sqlalchemy
from fastapi import Depends, Request
from sqlalchemy import (
    CursorResult,
    DateTime,
    Delete,
    Dialect,
    MetaData,
    Select,
    String,
    TypeDecorator,
    Update,
    Uuid,
    event,
    make_url,
    select,
)
from sqlalchemy.dialects import mysql as mysql_types
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.util import await_only

from app import sqlite
from app.drivers import ARGUMENTS, Renewed
from app.dsn import without_tls
from app.faults import told_apart
from app.readers import FileReader, PoolReader

Row = TypeVar("Row", bound=tuple[Any, ...])


class Moment(TypeDecorator[datetime]):
    """A moment in UTC with microseconds; refuses naive values, so that no offset is guessed."""

    # TIMESTAMP on MySQL and MariaDB has no fractions and ends in 2038.
    impl = DateTime(timezone=True).with_variant(mysql_types.DATETIME(fsp=6), "mysql", "mariadb")
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment needs an offset from UTC: {value!r}")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Native on PostgreSQL alone: MariaDB's own type sorts in an order of its own.
Id = Uuid().with_variant(Uuid(native_uuid=False), "sqlite", "mysql", "mariadb")


def key_type(length: int) -> String:
    """Return a string type of `length` characters that compares and sorts by code point."""
    binary = mysql_types.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return (
        String(length)
        .with_variant(binary, "mysql", "mariadb")
        .with_variant(String(length, collation="C"), "postgresql")
    )


class Base(DeclarativeBase):
    """What every table shares: constraint names, column types, and how strings compare."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {UUID: Id, datetime: Moment()}
    # Without it, MySQL takes 'é' for 'e' and MariaDB ignores trailing blanks.
    __table_args__: Any = {  # noqa: RUF012
        f"{dialect}_{option}": value
        for dialect in ("mysql", "mariadb")
        for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
    }


class utcnow(FunctionElement[datetime]):  # noqa: N801, SQL functions are lower case
    """The database's own clock, not that of the transaction's start, as a Moment."""

    type = Moment()
    inherit_cache = True


@compiles(utcnow, "sqlite")
def _sqlite_now(element: utcnow, compiler: SQLCompiler, **options: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


@compiles(utcnow, "postgresql")
def _postgresql_now(element: utcnow, compiler: SQLCompiler, **options: Any) -> str:
    return "clock_timestamp()"


@compiles(utcnow, "mysql")
@compiles(utcnow, "mariadb")
def _mysql_now(element: utcnow, compiler: SQLCompiler, **options: Any) -> str:
    return "UTC_TIMESTAMP(6)"


async def database_now(session: AsyncSession) -> datetime:
    """Return the time by the database's clock, which all processes share."""
    now: datetime = (await session.execute(select(utcnow()))).scalar_one()
    return now


async def changed(session: AsyncSession, statement: Update | Delete) -> int:
    """Execute `statement` and return how many rows it matched."""
    result = await session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount


def locked(statement: Select[Row]) -> Select[Row]:
    """Return `statement` so that it reads the newest rows and keeps them until the commit."""
    options = {sqlite.LOCK: True, "populate_existing": True}
    return statement.with_for_update().execution_options(**options)


# A sandbox is frozen between requests: what was open for long may be gone without a word.
_SINGLE = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 5, "pool_recycle": 300}
# Seconds. What was used a moment ago is there, or its server has just gone away under it.
_TRUSTED_SECONDS = 1


class Database:
    """One engine, its transactions, and reads without one. Connects when first used."""

    def __init__(
        self,
        url: str,
        *,
        bounded: bool = True,
        connections: int = 20,
        single: bool = False,
        renewed: Callable[[], str] | None = None,
    ) -> None:
        """Take a URL with its driver; unless `bounded`, statements and locks take their time.

        `connections`: how many are opened at most, and kept. `single`: keep one, for a process that
        serves one request at a time. `renewed`: returns the URL anew when the database refuses the
        password. Raises ValueError for options of the URL that cannot work.
        """
        parsed, mode, context = without_tls(make_url(url))
        # Beyond the pool's size, each would be opened and closed for one transaction.
        pool = _SINGLE if single else {"pool_size": connections, "max_overflow": 0}
        options: dict[str, Any] = {"hide_parameters": True, **pool}
        arguments = ARGUMENTS[parsed.get_driver_name()](mode, context, bounded=bounded)
        if renewed is not None:
            arguments["async_creator_fn"] = Renewed(arguments["async_creator_fn"], renewed)
        if parsed.get_backend_name() == "postgresql":
            options["isolation_level"] = "READ COMMITTED"
        self.engine = create_async_engine(parsed, connect_args=arguments, **options)
        trusted = 0 if single else _TRUSTED_SECONDS
        engine = self.engine.sync_engine
        _behave(engine, trusted, bounded=bounded)
        on_server = parsed.get_backend_name() != "sqlite"
        self._reader = PoolReader(engine) if on_server else FileReader(parsed.database or "")
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    async def read(self, statement: Select[Row], **values: Any) -> Sequence[sqlalchemy.Row[Row]]:
        """Execute one read by itself, in one round trip: what an index finds at once.

        On SQLite the event loop waits for it. Raises Collision, Unavailable, and OSError.
        """
        with told_apart():
            rows: Sequence[sqlalchemy.Row[Row]] = await self._reader.read(statement, values)
            return rows

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Give a session; commit at the end, or roll back if an error leaves the block.

        Raises Collision, Unavailable, and OSError if nothing answers at the database's address.
        """
        with told_apart():
            async with self._sessions() as session:
                yield session
                await session.commit()

    async def close(self) -> None:
        await self._reader.close()
        await self.engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _behave(engine: sqlalchemy.Engine, trusted_seconds: float, *, bounded: bool) -> None:
    """Make `engine` behave as all do.

    A connection to a server that was idle for longer than `trusted_seconds` is asked whether it is
    there.
    """
    if engine.dialect.name == "sqlite":
        sqlite.behave(engine, engine.url.database)
        return
    _ping_idle(engine, trusted_seconds)
    if engine.dialect.name != "postgresql" and bounded:
        from app import mysql

        mysql.behave(engine)


def _ping_idle(engine: sqlalchemy.Engine, trusted_seconds: float) -> None:
    @event.listens_for(engine, "checkin")
    def note(_: object, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ping(connection: Any, record: ConnectionPoolEntry, _: object) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is None or time.monotonic() - idle_since < trusted_seconds:
            return
        try:
            if engine.dialect.name == "postgresql":
                # SQLAlchemy's own begins and ends a transaction around it: three round trips.
                await_only(connection.driver_connection.execute("SELECT 1"))
            else:
                engine.dialect.do_ping(connection)
        except Exception as gone:  # of any kind: asyncpg has errors of its own
            raise InvalidatePoolError from gone


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Give a request its one transaction; it is committed before the answer leaves."""
    async with request.state.services.database.transaction() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
