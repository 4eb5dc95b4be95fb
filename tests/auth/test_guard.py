"""The guard's cost for the database, and its waits."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import delete, text

from app.auth.guard import load_principal
from app.auth.transports import BearerReader
from app.database.engine import Database
from app.resources import Resources, open_resources
from app.sessions.tables import UserSession
from app.settings.model import Settings
from tests.databases import in_database
from tests.exactly_once.proxy import cut_at
from tests.sessions.test_store import opened, someone

NEVER = 1_000_000


async def logged_in(resources: Resources) -> str:
    """Return the token of a session that the guard has seen once."""
    async with resources.database.transaction() as session:
        _, token = await opened(session, resources, await someone(session))
    assert await load_principal(resources, BearerReader(), token) is not None
    return token


@pytest.mark.only("postgres", "mysql", "mariadb")
@pytest.mark.parametrize(
    ("function", "round_trips"), [(None, 1), ("api", 2)], ids=["served", "on Lambda"]
)
def test_the_guard_takes_one_round_trip(desk: Path, function: str | None, round_trips: int) -> None:
    """On Lambda after a ping: the connection may be gone since the last request."""

    async def messages() -> int:
        async with cut_at(NEVER, "before", desk) as (settings, wire):
            asked = settings.model_copy(update={"lambda_function": function})
            async with open_resources(asked) as resources:
                token = await logged_in(resources)
                before = wire.messages
                assert await load_principal(resources, BearerReader(), token) is not None
                return wire.messages - before

    assert asyncio.run(messages()) == round_trips


@pytest.mark.only("sqlite")
def test_the_guard_waits_for_no_writer(settings: Settings) -> None:
    """Neither for the lock, nor for the connection that holds it."""
    alone = settings.model_copy(update={"database_connections": 1})

    async def check() -> None:
        async with open_resources(alone) as resources:
            token = await logged_in(resources)
            async with resources.database.transaction() as session:
                await session.execute(text("UPDATE user_account SET email = email"))
                assert await load_principal(resources, BearerReader(), token) is not None

    asyncio.run(check())


def test_the_guard_leaves_no_transaction_open(settings: Settings) -> None:
    """A transaction left open on its connection would block migrations."""

    async def check() -> None:
        async with open_resources(settings) as resources:
            token = await logged_in(resources)
            assert await load_principal(resources, BearerReader(), token) is not None
            async with Database(settings.database_url) as other, other.transaction() as session:
                await session.execute(text("ALTER TABLE user_session ADD COLUMN more INTEGER"))

    asyncio.run(check())


def test_a_transaction_after_the_guard_can_be_rolled_back(settings: Settings) -> None:
    """Its connection was in autocommit mode before."""
    alone = settings.model_copy(update={"database_connections": 1})

    async def check() -> None:
        async with open_resources(alone) as resources:
            await logged_in(resources)
            with suppress(ZeroDivisionError):
                async with resources.database.transaction() as session:
                    await session.execute(delete(UserSession))
                    raise ZeroDivisionError

    asyncio.run(check())
    assert in_database(Path.cwd(), "SELECT count(*) FROM user_session") == [(1,)]
