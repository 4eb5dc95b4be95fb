"""Transactions, and the databases' traps."""

import asyncio
import gc
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import make_url, select, text, update

from app import clock
from app.database import limits
from app.database.engine import Database
from app.database.errors import ConstraintViolated
from app.database.retry import retry_on_conflict
from app.errors import DatabaseUnavailable
from app.resources import Resources
from app.settings.database_url import with_driver
from app.settings.model import Settings
from app.tick.tables import TickCounter
from tests.databases import database_url, in_database


@pytest.mark.only("sqlite")
def test_a_failed_statement_does_not_block_the_event_loop_later(tmp_path: Path) -> None:
    """A failed cursor may live on in a traceback, while its connection waits for a lock."""

    async def check() -> float:
        async with Database(f"sqlite+aiosqlite:///{tmp_path}/k.db") as database:
            async with database.transaction() as session:
                await session.execute(text("CREATE TABLE t (x INTEGER UNIQUE)"))
                await session.execute(text("INSERT INTO t VALUES (1)"))
            async with database.engine.connect() as failing, database.engine.connect() as holder:
                with pytest.raises(ConstraintViolated) as failed:
                    await failing.execute(text("INSERT INTO t VALUES (1)"))
                await failing.rollback()
                await holder.execute(text("INSERT INTO t VALUES (2)"))
                waiting = asyncio.create_task(failing.execute(text("INSERT INTO t VALUES (3)")))
                await asyncio.sleep(0.2)
                start = time.monotonic()
                del failed
                gc.collect()
                await holder.commit()
                stopped = time.monotonic() - start
                await waiting
                return stopped

    assert asyncio.run(check()) < 5


@pytest.mark.only("sqlite")
def test_a_read_creates_no_database(tmp_path: Path) -> None:
    """A created file would be in the way of one that is restored."""
    file = tmp_path / "50 %25 of #1.db"

    async def check() -> None:
        async with Database(f"sqlite+aiosqlite:///{file}") as database:
            with pytest.raises(DatabaseUnavailable):
                await database.read(select(TickCounter.value))
            assert not file.exists()
            file.touch()
            with pytest.raises(DatabaseUnavailable):
                await database.read(select(TickCounter.value))
            async with database.transaction() as session:
                await session.execute(text("CREATE TABLE tick_counter (value INTEGER)"))
                await session.execute(text("INSERT INTO tick_counter VALUES (7)"))
            assert (await database.read(select(TickCounter.value)))[0].value == 7

    asyncio.run(check())


def test_a_transaction_reads_committed_rows_of_others(
    desk: Path, in_resources: Callable[[Callable[[Resources], Awaitable[Any]]], Any]
) -> None:
    """READ COMMITTED everywhere: MySQL's and MariaDB's own level would read the old value."""
    in_database(desk, "INSERT INTO tick_counter (name, value) VALUES ('k', 1)")

    async def check(resources: Resources) -> None:
        async with resources.database.transaction() as reader:
            value = text("SELECT value FROM tick_counter")
            assert await reader.scalar(value) == 1
            async with resources.database.transaction() as writer:
                await writer.execute(update(TickCounter).values(value=2))
                assert await reader.scalar(value) == 1
            assert await reader.scalar(value) == 2

    in_resources(check)


@pytest.mark.only("postgres", "mysql", "mariadb")
def test_a_statement_prepared_before_a_migration_is_retried(
    desk: Path, in_resources: Callable[[Callable[[Resources], Awaitable[Any]]], Any]
) -> None:
    """PostgreSQL refuses a prepared statement whose columns have changed."""
    in_database(desk, "CREATE TABLE t (x INTEGER)")

    async def check(resources: Resources) -> None:
        @retry_on_conflict
        async def read() -> None:
            async with resources.database.transaction() as session:
                await session.execute(text("SELECT x FROM t"))

        await read()
        async with resources.database.transaction() as session:
            change = (
                "MODIFY x" if session.get_bind().dialect.name != "postgresql" else "ALTER x TYPE"
            )
            await session.execute(text(f"ALTER TABLE t {change} BIGINT"))
        await read()

    in_resources(check)


def test_the_number_of_connections_is_limited(settings: Settings) -> None:
    async def check() -> None:
        async with Database(settings.database_url, connections=2) as database:

            async def one() -> None:
                async with database.transaction() as session:
                    await session.execute(text("SELECT 1"))

            async with database.transaction() as first, database.transaction() as second:
                await first.execute(text("SELECT 1"))
                await second.execute(text("SELECT 1"))
                third = asyncio.create_task(one())
                await asyncio.sleep(0.3)
                assert not third.done()
            await third

    asyncio.run(check())


def test_a_single_connection_is_recycled(settings: Settings) -> None:
    """A firewall may have dropped a connection that was idle for minutes."""

    async def connection(database: Database) -> object:
        async with database.transaction() as session:
            raw = await (await session.connection()).get_raw_connection()
            return raw.driver_connection

    async def check() -> None:
        async with Database(settings.database_url, single=True) as database:
            first = await connection(database)
            with time_machine.travel(clock.now() + timedelta(minutes=4)):
                assert await connection(database) is first
            with time_machine.travel(clock.now() + timedelta(minutes=6)):
                assert await connection(database) is not first

    asyncio.run(check())


@pytest.mark.only("postgres", "mysql", "mariadb")
def test_the_wait_for_a_silent_server_is_limited(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CONNECT_SECONDS", 0.5)

    async def check(port: int) -> float:
        url = make_url(with_driver(database_url(desk))).set(port=port)
        start = time.monotonic()
        async with Database(url.render_as_string(hide_password=False)) as database:
            with pytest.raises((DatabaseUnavailable, OSError)):
                async with database.transaction() as session:
                    await session.execute(text("SELECT 1"))
        return time.monotonic() - start

    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert asyncio.run(check(silent.getsockname()[1])) < 5


def test_the_wait_for_a_lock_is_limited(
    desk: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LOCK_SECONDS", 1)
    monkeypatch.setattr(limits, "QUEUE_SECONDS", 1)
    in_database(desk, "INSERT INTO tick_counter (name, value) VALUES ('k', 1)")

    async def check() -> float:
        change = update(TickCounter).values(value=2)
        async with (
            Database(settings.database_url) as database,
            database.transaction() as holder,
        ):
            await holder.execute(change)
            start = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                async with database.transaction() as waiter:
                    await waiter.execute(change)
            return time.monotonic() - start

    assert 0.5 < asyncio.run(check()) < 5


@pytest.mark.only("postgres", "mysql", "mariadb")
def test_the_time_of_a_statement_is_limited(
    desk: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STATEMENT_SECONDS", 1)

    async def check(*, bounded: bool) -> float:
        start = time.monotonic()
        async with Database(settings.database_url, bounded=bounded) as database:
            sleep = "pg_sleep" if database.engine.dialect.name == "postgresql" else "SLEEP"
            async with database.transaction() as session:
                await session.execute(text(f"SELECT {sleep}(3) FROM tick_counter"))
        return time.monotonic() - start

    in_database(desk, "INSERT INTO tick_counter (name, value) VALUES ('k', 1)")
    with pytest.raises(DatabaseUnavailable):
        asyncio.run(check(bounded=True))
    assert asyncio.run(check(bounded=False)) > 2.5
