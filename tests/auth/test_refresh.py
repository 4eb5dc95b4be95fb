"""Refresh tokens and the life of a session, as time passes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
import time_machine
from sqlalchemy import func, select, update

from app import clock
from app.actor import Actor
from app.audit import record
from app.audit.tables import AuditEvent
from app.auth.guard import load_principal
from app.auth.refresh import CLOCK_TOLERANCE, REPEAT_WINDOW, exchange
from app.auth.transports import BearerReader, CookieReader
from app.errors import RefreshTokenInvalid, RefreshTokenReused
from app.logs import configure_logging
from app.resources import Resources
from app.sessions.store import SEEN_EVERY, SessionStore, SessionTokens
from app.sessions.tables import UserSession
from tests.sessions.test_store import someone

PHONE = Actor("anonymous", ip="192.0.2.1", user_agent="Phone/1")
THIEF = Actor("anonymous", ip="198.51.100.7", user_agent="curl/8")
SECOND = timedelta(seconds=1)
REUSED: Final = "session.refresh_token_reused"


@contextmanager
def at(time: datetime) -> Iterator[None]:
    """Let the clock of this process say `time`."""
    with time_machine.travel(time, tick=False):
        yield


async def log_in(resources: Resources) -> SessionTokens:
    async with resources.database.transaction() as session:
        store = SessionStore(session, resources)
        return store.tokens(await store.open((await someone(session)).id, PHONE))


async def refresh(resources: Resources, token: str, actor: Actor = PHONE) -> SessionTokens:
    async with resources.database.transaction() as session:
        return await exchange(token, session, resources, actor)


async def session_row(resources: Resources) -> UserSession | None:
    async with resources.database.transaction() as session:
        row: UserSession | None = await session.scalar(select(UserSession))
        return row


def test_a_repeat_is_answered_alike_until_the_window_ends(
    in_resources: Callable[[Any], Any],
) -> None:
    """The window is longer by what two hosts' clocks may differ."""

    async def check(resources: Resources) -> None:
        start = clock.now()
        with at(start):
            first = await log_in(resources)
            second = await refresh(resources, first.refresh_token)
        end = start + REPEAT_WINDOW + CLOCK_TOLERANCE
        for moment in (start - SECOND, start + SECOND, end):
            with at(moment):
                again = await refresh(resources, first.refresh_token)
                assert again.refresh_token == second.refresh_token
        with at(end + SECOND), pytest.raises(RefreshTokenReused):
            await refresh(resources, first.refresh_token)
        with pytest.raises(RefreshTokenInvalid):
            await refresh(resources, second.refresh_token)

    in_resources(check)


def test_the_reuse_is_recorded(
    in_resources: Callable[[Any], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("INFO", as_json=True)

    async def check(resources: Resources) -> None:
        first = await log_in(resources)
        row = await session_row(resources)
        assert row is not None
        second = await refresh(resources, first.refresh_token)
        await refresh(resources, second.refresh_token)
        with pytest.raises(RefreshTokenReused):
            await refresh(resources, first.refresh_token, THIEF)
        assert await session_row(resources) is None
        async with resources.database.transaction() as session:
            [event] = list(await session.scalars(select(AuditEvent)))
        assert event.action == REUSED
        assert (event.subject_id, event.session_id) == (row.user_id, row.id)
        assert (event.actor_id, event.ip, event.user_agent) == (None, THIEF.ip, THIEF.user_agent)
        assert abs(event.at - clock.now()) < timedelta(minutes=1)
        logged = capsys.readouterr().err
        assert event.action in logged
        assert str(row.id) in logged
        assert first.refresh_token not in logged

    in_resources(check)


def test_events_are_kept_for_as_long_as_is_set(in_resources: Callable[[Any], Any]) -> None:
    async def check(resources: Resources) -> None:
        async with resources.database.transaction() as session:
            user = await someone(session)
            for days in (400, 370, 366, 364, 0):
                with at(clock.now() - timedelta(days=days)):
                    record.record(session, REUSED, THIEF, subject_id=user.id)
                    await session.flush()
        async with resources.database.transaction() as session:
            assert [await record.purge(session, 2, days=365) for _ in range(3)] == [2, 1, 0]
            assert await session.scalar(select(func.count()).select_from(AuditEvent)) == 2

    in_resources(check)


def test_a_session_ends_when_it_is_idle_or_old(in_resources: Callable[[Any], Any]) -> None:
    """By default after 14 days without a refresh, and after 90 days."""

    async def check(resources: Resources) -> None:
        start = clock.now()
        with at(start):
            tokens = await log_in(resources)
        idle = timedelta(days=14)
        for _ in range(6):
            start += idle - SECOND
            with at(start):
                tokens = await refresh(resources, tokens.refresh_token)
        assert tokens.refresh_expires_in == 90 * 86_400 - 6 * (14 * 86_400 - 1)
        end = start + timedelta(seconds=tokens.refresh_expires_in)
        with at(end), pytest.raises(RefreshTokenInvalid):
            await refresh(resources, tokens.refresh_token)
        with at(end - SECOND):
            last = await refresh(resources, tokens.refresh_token)
            assert (last.expires_in, last.refresh_expires_in) == (1, 1)

    in_resources(check)


def test_a_session_that_nobody_refreshes_ends(in_resources: Callable[[Any], Any]) -> None:
    async def check(resources: Resources) -> None:
        start = clock.now()
        with at(start):
            tokens = await log_in(resources)
        with at(start + timedelta(days=14)), pytest.raises(RefreshTokenInvalid):
            await refresh(resources, tokens.refresh_token)

    in_resources(check)


def test_a_session_older_than_a_limit_that_was_lowered_is_not_refreshed(
    in_resources: Callable[[Any], Any],
) -> None:
    """The client would get tokens that have expired."""

    async def check(resources: Resources) -> None:
        tokens = await log_in(resources)
        then = clock.now() - timedelta(seconds=resources.settings.session_seconds)
        async with resources.database.transaction() as session:
            await session.execute(update(UserSession).values(created_at=then))
        with pytest.raises(RefreshTokenInvalid):
            await refresh(resources, tokens.refresh_token)

    in_resources(check)


def test_a_refresh_notes_where_it_came_from(in_resources: Callable[[Any], Any]) -> None:
    async def check(resources: Resources) -> None:
        tokens = await log_in(resources)
        await refresh(resources, tokens.refresh_token, THIEF)
        row = await session_row(resources)
        assert row is not None
        assert (row.ip, row.user_agent, row.refresh_counter) == (THIEF.ip, THIEF.user_agent, 1)
        assert row.refreshed_at == row.last_seen_at

    in_resources(check)


def test_a_token_survives_commits_that_the_database_has_lost(
    in_resources: Callable[[Any], Any],
) -> None:
    """A replica took over without the last ones, or a backup was restored."""

    async def check(resources: Resources) -> None:
        tokens = await log_in(resources)
        for _ in range(3):
            tokens = await refresh(resources, tokens.refresh_token)
        async with resources.database.transaction() as session:
            await session.execute(update(UserSession).values(refresh_counter=1))
        again = await refresh(resources, tokens.refresh_token)
        row = await session_row(resources)
        assert row is not None
        assert row.refresh_counter == 4
        assert (await refresh(resources, again.refresh_token)).refresh_token

    in_resources(check)


@pytest.mark.only("sqlite")
def test_a_use_is_noted_every_five_minutes(in_resources: Callable[[Any], Any]) -> None:
    async def check(resources: Resources) -> None:
        start = clock.now()
        with at(start):
            await log_in(resources)
        for moment, seen in [
            (start + SEEN_EVERY - SECOND, start),
            (start + SEEN_EVERY, start + SEEN_EVERY),
            (start + SEEN_EVERY + SECOND, start + SEEN_EVERY),
            (start + timedelta(days=13), start + timedelta(days=13)),
            (start + timedelta(days=90), start + timedelta(days=13)),
        ]:
            with at(moment):
                async with resources.database.transaction() as session:
                    [row] = list(await session.scalars(select(UserSession)))
                    await SessionStore(session, resources).see(row.id)
                row = (await session_row(resources)) or row
                assert row.last_seen_at == seen
                assert row.expires_at == seen + timedelta(days=14)

    in_resources(check)


def test_a_cookie_is_valid_while_its_session_is(in_resources: Callable[[Any], Any]) -> None:
    async def check(resources: Resources) -> None:
        start = clock.now()
        async with resources.database.transaction() as session:
            with at(start):
                store = SessionStore(session, resources)
                opened = await store.open((await someone(session)).id, PHONE, "cookie")
                token = store.cookie_token(opened)
        reader = CookieReader()
        assert await load_principal(resources, BearerReader(), token) is None
        for days in range(10, 90, 10):
            with at(start + timedelta(days=days)):
                assert await load_principal(resources, reader, token) is not None
                async with resources.database.transaction() as session:
                    await SessionStore(session, resources).see(opened.id)
        with at(start + timedelta(days=90)):
            assert await load_principal(resources, reader, token) is None
            assert reader.expired_at(resources, token) is not None

    in_resources(check)
