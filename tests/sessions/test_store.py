"""Sessions: expiry, revocation and purge."""

import json
import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.actor import Actor
from app.auth.guard import load_principal
from app.auth.transports import BearerReader
from app.database.errors import ConstraintViolated
from app.ids import new_id
from app.resources import Resources
from app.sessions.store import SessionStore, purge, shorten
from app.sessions.tables import UserSession
from app.users.tables import User
from tests.service import Service, in_process, over_tcp

IDLE = 1_209_600  # seconds


async def someone(session: AsyncSession) -> User:
    user = User(email="k@camelot.bt", email_key="k@camelot.bt", hashed_password="")
    session.add(user)
    await session.flush()
    return user


async def opened(
    session: AsyncSession, resources: Resources, user: User
) -> tuple[UserSession, str]:
    """Return a new session and its access token."""
    store = SessionStore(session, resources)
    new = await store.open(user.id, Actor("anonymous"))
    return new, store.tokens(new).access_token


def test_a_session_expires_by_its_row_and_by_its_token(tmp_path: Path) -> None:
    with in_process(tmp_path, session_seconds="1") as service:
        person = service.register()
        answer = service.try_login(person.email, person.password)
        assert answer.json()["expires_in"] == 1
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        deadline = time.monotonic() + 10
        while service.client.get("/users/me", headers=headers).status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        challenge = service.client.get("/users/me", headers=headers).headers["WWW-Authenticate"]
        said = r'Bearer error="invalid_token", error_description="The token expired at (.+Z)"'
        found = re.fullmatch(said, challenge)
        assert found, challenge
        ago = clock.now() - datetime.fromisoformat(found[1])
        assert timedelta(0) <= ago < timedelta(minutes=1)


def test_an_expired_row_ends_a_valid_token(
    in_resources: Callable[[Any], Any],
) -> None:
    async def check(resources: Resources) -> None:
        async with resources.database.transaction() as session:
            user = await someone(session)
            _, token = await opened(session, resources, user)
        assert await load_principal(resources, BearerReader(), token) is not None
        async with resources.database.transaction() as session:
            past = clock.now() - timedelta(seconds=1)
            await session.execute(update(UserSession).values(expires_at=past))
        assert await load_principal(resources, BearerReader(), token) is None

    in_resources(check)


def test_purge_deletes_expired_sessions_in_batches(in_resources: Callable[[Any], Any]) -> None:
    async def check(resources: Resources) -> None:
        now = clock.now()
        async with resources.database.transaction() as session:
            user = await someone(session)
            for minutes in (-3, -2, -1, 1, 2):
                expires_at = now + timedelta(minutes=minutes)
                session.add(UserSession(user_id=user.id, expires_at=expires_at))
        async with resources.database.transaction() as session:
            assert [await purge(session, 2) for _ in range(3)] == [2, 1, 0]
            assert await session.scalar(select(func.count()).select_from(UserSession)) == 2

    in_resources(check)


@pytest.mark.parametrize("days", [40, -40])
def test_a_wrong_clock_ends_no_session(in_resources: Callable[[Any], Any], days: int) -> None:
    """A process whose clock is wrong purges, beside a database whose clock is right."""

    async def check(resources: Resources) -> None:
        async with resources.database.transaction() as session:
            user = await someone(session)
            expires_at = (await opened(session, resources, user))[0].expires_at
        with time_machine.travel(clock.now() + timedelta(days=days)):
            async with resources.database.transaction() as session:
                assert await purge(session, 10) == 0
                assert await shorten(session, 10, lifetime=IDLE) == 0
                assert await session.scalar(select(UserSession.expires_at)) == expires_at

    in_resources(check)


def test_a_session_of_the_future_is_shortened(in_resources: Callable[[Any], Any]) -> None:
    async def check(resources: Resources) -> None:
        async with resources.database.transaction() as session:
            user = await someone(session)
            for days in (30, 30, 30, 0):
                with time_machine.travel(clock.now() + timedelta(days=days)):
                    await opened(session, resources, user)
        async with resources.database.transaction() as session:
            assert [await shorten(session, 2, lifetime=IDLE) for _ in range(3)] == [2, 1, 0]
            latest = await session.scalar(select(func.max(UserSession.expires_at)))
            assert latest is not None
            assert latest <= clock.now() + timedelta(seconds=IDLE + 1)

    in_resources(check)


def test_sessions_are_deleted_with_their_account_and_need_one(
    in_resources: Callable[[Any], Any],
) -> None:
    async def check(resources: Resources) -> None:
        async with resources.database.transaction() as session:
            user = await someone(session)
            await opened(session, resources, user)
        async with resources.database.transaction() as session:
            await session.execute(delete(User))
            assert await session.scalar(select(func.count()).select_from(UserSession)) == 0
        with pytest.raises(ConstraintViolated):
            async with resources.database.transaction() as session:
                session.add(UserSession(user_id=new_id(), expires_at=clock.now()))

    in_resources(check)


def ask_both_workers(service: Service, headers: dict[str, str], expected: int) -> None:
    """Send requests until the log shows that both workers answered; check each answer."""
    for _ in range(20):
        assert service.who_am_i(headers) == {expected}
        lines = (service.folder / "log").read_text().splitlines()
        answers = [json.loads(line) for line in lines if line.startswith("{") and line[-1] == "}"]
        asked = [line for line in answers if line.get("path") == "/users/me"]
        if len({line["pid"] for line in asked if line["status"] == expected}) == 2:
            return
    raise AssertionError("one worker has answered everything")


def test_a_session_ends_on_every_worker_at_once(tmp_path: Path) -> None:
    with over_tcp(tmp_path, workers=2, environment="production") as service:
        headers = service.login(service.register())
        ask_both_workers(service, headers, 200)
        service.client.post("/auth/jwt/logout", headers=headers)
        ask_both_workers(service, headers, 401)
        person = service.register()
        for command in ("sign-out", "deactivate"):
            headers = service.login(person)
            ask_both_workers(service, headers, 200)
            service.command("user", command, person.email)
            ask_both_workers(service, headers, 401)
