"""What the check that stands before each request costs the database."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import make_url

from app import sqlite_driver
from app.services import Services, open_services
from app.sessions.guard import find_principal
from app.sessions.logins import Logins
from app.settings import Settings
from tests.databases import database_url
from tests.exactly_once.proxy import cut_at
from tests.service import make_environment, settings_from
from tests.sessions.test_logins import someone

NEVER = 1_000_000


async def logged_in(services: Services) -> str:
    """Return the token of a login that was asked about once."""
    async with services.database.transaction() as session:
        token = await Logins(session, services.signer, 3_600).open(await someone(session))
    assert await find_principal(services, token) is not None
    return token


@pytest.mark.only("postgres", "mysql", "mariadb")
def test_a_check_is_one_round_trip(desk: Path) -> None:
    url = make_url(database_url(desk))
    assert url.host is not None
    assert url.port is not None

    async def messages(host: str, port: int) -> int:
        async with cut_at(NEVER, "before", host, port) as (front, wire):
            through = url.set(host="127.0.0.1", port=front).render_as_string(hide_password=False)
            settings = settings_from(make_environment(desk, database_url=through))
            async with open_services(settings) as services:
                token = await logged_in(services)
                before = wire.messages
                assert await find_principal(services, token) is not None
                return wire.messages - before

    assert asyncio.run(messages(url.host, url.port)) == 1


@pytest.mark.only("sqlite")
def test_a_check_leaves_the_threads_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check() -> None:
        async with open_services(settings) as services:
            token = await logged_in(services)
            monkeypatch.delattr(sqlite_driver.Connection, "run")
            assert await find_principal(services, token) is not None

    asyncio.run(check())
