"""PgBouncer in front of PostgreSQL, in session and in transaction mode."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from app.database import limits
from app.database.engine import Database
from app.errors import DatabaseUnavailable
from app.settings.database_url import with_driver
from tests.databases import database_url
from tests.databases.pgbouncer import Mode, pgbouncer
from tests.databases.server import execute
from tests.service import in_process, make_environment, run_command

pytestmark = pytest.mark.only("postgres")

# As operators have to set it where a client sends parameters.
CLIENTS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    "pg_backend_pid() AND backend_type = 'client backend'"
)
IGNORED = "statement_timeout, lock_timeout, idle_in_transaction_session_timeout"


@pytest.fixture
def through(request: pytest.FixtureRequest, desk: Path) -> Iterator[str]:
    """The URL of a database at head behind a pooler of the mode that the test names."""
    with pgbouncer(database_url(desk), request.param, default_pool_size="3") as url:
        yield url


def open_database(url: str, pooler: Mode) -> Database:
    return Database(with_driver(url), pooler=pooler)


POOLERS = pytest.mark.parametrize(
    ("through", "pooler"),
    [("session", "session"), ("session", "transaction"), ("transaction", "transaction")],
    indirect=["through"],
)


@pytest.mark.parametrize("through", ["transaction"], indirect=True)
def test_clients_share_few_server_connections(through: str, desk: Path) -> None:
    settings = {
        "database_url": through,
        "database_pooler": "transaction",
        "migrate_database_url": database_url(desk),
        "tick_seconds": "1",
    }
    with in_process(desk, **settings) as service:
        with ThreadPoolExecutor(8) as threads:
            accounts = list(threads.map(lambda _: service.register(), range(24)))
            headers = list(threads.map(service.login, accounts))
        assert {code for one in headers[:3] for code in service.who_am_i(one)} == {200}
        ready = service.readiness()
        assert ready.json()["status"] == "ok", ready.text
        assert len(execute(database_url(desk), CLIENTS)) <= 3


@POOLERS
def test_each_transaction_has_its_time_limits(through: str, pooler: Mode) -> None:
    async def ask() -> list[str]:
        async with open_database(through, pooler) as database, database.transaction() as session:
            names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
            return [await session.scalar(text(f"SHOW {name}")) or "" for name in names]

    assert asyncio.run(ask()) == ["15s", "5s", "1min"]
    # They are not left to the next client.
    assert execute(through, "SHOW statement_timeout") == [("0",)]


@POOLERS
def test_a_statement_that_takes_too_long_is_ended(
    through: str, pooler: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STATEMENT_SECONDS", 1)

    async def sleep() -> None:
        async with open_database(through, pooler) as database, database.transaction() as session:
            await session.execute(text("SELECT pg_sleep(5)"))

    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        asyncio.run(sleep())


@POOLERS
def test_rows_are_streamed(through: str, pooler: Mode) -> None:
    """A cursor outlives statements that are prepared after it."""

    async def count() -> tuple[int, int]:
        numbers = select(func.generate_series(1, 2500))
        async with open_database(through, pooler) as database:
            async with database.stream(numbers) as rows:
                found = [row async for row in rows]
            async with database.transaction() as session:
                await session.execute(text("INSERT INTO tick_counter VALUES ('k', 1)"))
                await session.execute(
                    text("UPDATE tick_counter SET value = :n"), [{"n": n} for n in range(9)]
                )
                return len(found), await session.scalar(text("SELECT value FROM tick_counter")) or 0

    assert asyncio.run(count()) == (2500, 8)


def test_a_migration_refuses_a_transaction_pooler_that_the_settings_name(tmp_path: Path) -> None:
    environment = make_environment(tmp_path, database_pooler="transaction")
    assert "KEYSTEAD_MIGRATE_DATABASE_URL" in run_command(environment, "migrate", code=1)
    environment["KEYSTEAD_MIGRATE_DATABASE_URL"] = environment["KEYSTEAD_DATABASE_URL"]
    assert "migrated from nothing" in run_command(environment, "migrate")
    # There is nothing to do: `serve` starts.
    del environment["KEYSTEAD_MIGRATE_DATABASE_URL"]
    assert "nothing to migrate" in run_command(environment, "migrate")


@pytest.mark.parametrize("size", ["20", "1"])
def test_a_migration_refuses_a_transaction_pooler_that_it_finds(tmp_path: Path, size: str) -> None:
    options = {"ignore_startup_parameters": IGNORED, "default_pool_size": size}
    with pgbouncer(database_url(tmp_path), "transaction", **options) as url:
        said = run_command(make_environment(tmp_path, database_url=url), "migrate", code=1)
    assert "KEYSTEAD_MIGRATE_DATABASE_URL" in said
    assert execute(database_url(tmp_path), "SELECT to_regclass('user_account')") == [(None,)]


def test_a_migration_runs_through_a_session_pooler(tmp_path: Path) -> None:
    with pgbouncer(database_url(tmp_path), "session") as url:
        settings = {"database_url": url, "database_pooler": "session"}
        said = run_command(make_environment(tmp_path, **settings), "migrate")
        assert "migrated from nothing" in said


def test_the_remedy_is_named_where_a_pooler_refuses_parameters(tmp_path: Path) -> None:
    with pgbouncer(database_url(tmp_path), "transaction") as url:
        said = run_command(make_environment(tmp_path, database_url=url), "migrate", code=1)
    assert "set KEYSTEAD_DATABASE_POOLER" in said
