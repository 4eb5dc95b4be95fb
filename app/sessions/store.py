"""Sessions in the database: opened, refreshed, seen and revoked.

app/auth/guard.py finds them by their tokens.
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.actor import Actor
from app.database.statements import database_now, execute_rowcount, for_update
from app.resources import Resources
from app.sessions.tables import Transport, UserSession
from app.settings.model import Settings

COOKIE = "session cookie"
"""The purpose of the tokens in cookies."""
LEGACY = "session"
"""The purpose of access tokens of releases before revision 0009."""
SEEN_EVERY = timedelta(minutes=5)
"""How old the time that a session was last seen may be; less if sessions end sooner."""

_CLOCKS_DIFFER = timedelta(hours=1)
"""More than synchronised clocks differ."""


class SessionTokens(NamedTuple):
    """What a client keeps of a session (RFC 6749, section 5.1)."""

    access_token: str
    expires_in: int
    """Seconds."""
    refresh_token: str
    refresh_expires_in: int
    """Seconds, after which the session has ended unless it was refreshed."""


class SessionStore:
    """The sessions, within one transaction."""

    def __init__(self, session: AsyncSession, resources: Resources) -> None:
        self._session = session
        self._resources = resources
        self._settings = resources.settings

    async def open(
        self, user_id: UUID, actor: Actor, transport: Transport = "bearer"
    ) -> UserSession:
        """Open a session for an account, whose row the caller has locked."""
        now = clock.now()
        opened = UserSession(
            user_id=user_id,
            transport=transport,
            created_at=now,
            last_seen_at=now,
            expires_at=_expiry(self._settings, now, now),
        )
        opened.ip, opened.user_agent = actor.ip, actor.user_agent
        self._session.add(opened)
        await self._session.flush()
        return opened

    def tokens(self, session: UserSession) -> SessionTokens:
        """Return an access token of a session, and the refresh token that is valid."""
        now, resources = clock.now(), self._resources
        expires_at = min(now + timedelta(seconds=self._settings.access_seconds), session.expires_at)
        access_token = resources.access_tokens.sign(
            session.user_id, session.id, issued_at=now, expires_at=expires_at
        )
        return SessionTokens(
            access_token,
            _seconds(expires_at - now),
            resources.refresh_tokens.write(session.id, session.refresh_counter),
            _seconds(session.expires_at - now),
        )

    def cookie_token(self, session: UserSession) -> str:
        """Return the token for a session's cookie, which stays the same for its whole life."""
        lifetime = timedelta(seconds=self._settings.session_seconds)
        return self._resources.signer.sign(
            COOKIE, session.created_at + lifetime, sub=str(session.user_id), jti=str(session.id)
        )

    async def get_locked(self, session_id: UUID) -> UserSession | None:
        """Return a session that has not ended, locked until the commit."""
        statement = select(UserSession).where(UserSession.id == session_id)
        found: UserSession | None = await self._session.scalar(for_update(statement))
        return found if found is not None and found.expires_at > clock.now() else None

    def refresh(self, session: UserSession, counter: int, actor: Actor) -> None:
        """Prolong a locked session; its refresh token is now that of `counter`."""
        now = clock.now()
        session.refresh_counter = counter
        session.refreshed_at = session.last_seen_at = now
        session.expires_at = _expiry(self._settings, session.created_at, now)
        session.ip, session.user_agent = actor.ip, actor.user_agent

    async def page(
        self, user_id: UUID, limit: int, after: UUID | None
    ) -> tuple[list[UserSession], UUID | None]:
        """Return up to `limit` sessions of an account, newest first, and the next cursor.

        `after`: a cursor. Sessions that have expired are left out.
        """
        statement = select(UserSession).where(*_valid(user_id)).order_by(UserSession.id.desc())
        if after is not None:
            statement = statement.where(UserSession.id < after)
        found = list(await self._session.scalars(statement.limit(limit + 1)))
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    async def exists(self, session_id: UUID) -> bool:
        """Return whether a session has not been revoked."""
        statement = select(UserSession.id).where(UserSession.id == session_id)
        return await self._session.scalar(statement) is not None

    async def count(self, user_id: UUID) -> int:
        """Return how many sessions of an account have not expired."""
        statement = select(func.count()).select_from(UserSession).where(*_valid(user_id))
        return await self._session.scalar(statement) or 0

    async def revoke(self, session_id: UUID) -> None:
        """Revoke a session: its tokens are invalid after the commit."""
        await self._session.execute(delete(UserSession).where(UserSession.id == session_id))

    async def revoke_of(self, user_id: UUID, session_id: UUID) -> bool:
        """Revoke a session, if it is one of the account's. Returns whether it was."""
        mine = (UserSession.id == session_id, *_valid(user_id))
        return await execute_rowcount(self._session, delete(UserSession).where(*mine)) == 1

    async def revoke_all(self, user_id: UUID, *, except_id: UUID | None = None) -> None:
        """Revoke the sessions of an account, except the one with the id `except_id`."""
        statement = delete(UserSession).where(UserSession.user_id == user_id)
        if except_id is not None:
            statement = statement.where(UserSession.id != except_id)
        await self._session.execute(statement)

    async def see(self, session_id: UUID) -> None:
        """Note that a session was used, which prolongs it."""
        session = await self.get_locked(session_id)
        if session is not None and is_due(self._settings, session.last_seen_at):
            session.last_seen_at = clock.now()
            session.expires_at = _expiry(self._settings, session.created_at, session.last_seen_at)


def is_due(settings: Settings, last_seen_at: datetime | None) -> bool:
    """Return whether it has to be noted that a session is used."""
    # A session that is used must not end meanwhile.
    every = min(SEEN_EVERY, timedelta(seconds=settings.session_idle_seconds) / 10)
    return last_seen_at is None or clock.now() - last_seen_at >= every


def _expiry(settings: Settings, created_at: datetime, used_at: datetime) -> datetime:
    """Return when a session ends, unless it is used again (UTC)."""
    return min(
        used_at + timedelta(seconds=settings.session_idle_seconds),
        created_at + timedelta(seconds=settings.session_seconds),
    )


def _valid(user_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return UserSession.user_id == user_id, UserSession.expires_at > clock.now()


def _seconds(lifetime: timedelta) -> int:
    return round(lifetime.total_seconds())


async def purge(session: AsyncSession, limit: int) -> int:
    """Delete up to `limit` expired sessions. Returns how many were deleted.

    Expired by this process's clock and the database's: one that is ahead ends no session.
    """
    now = min(clock.now(), await database_now(session))
    expired = select(UserSession.id).where(UserSession.expires_at < now).limit(limit)
    ids = list(await session.scalars(expired))
    await session.execute(delete(UserSession).where(UserSession.id.in_(ids)))
    return len(ids)


async def shorten(session: AsyncSession, limit: int, *, lifetime: int) -> int:
    """Let up to `limit` sessions that would outlive one used now end when that does.

    Returns how many were shortened. A clock that was ahead prolonged them, or `lifetime` (seconds)
    was longer then.
    """
    end = max(clock.now(), await database_now(session)) + timedelta(seconds=lifetime)
    longer = select(UserSession.id).where(UserSession.expires_at > end + _CLOCKS_DIFFER)
    ids = list(await session.scalars(longer.limit(limit)))
    mine = update(UserSession).where(UserSession.id.in_(ids))
    await session.execute(mine.values(expires_at=end))
    return len(ids)
