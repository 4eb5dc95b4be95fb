"""Sessions in the database: opened and revoked. app/auth/guard.py finds them by their token."""

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.crypto.tokens import Signer
from app.database.statements import database_now
from app.sessions.tables import UserSession

AUDIENCE = "session"
"""The audience of access tokens."""
_CLOCKS_DIFFER = timedelta(hours=1)
"""More than synchronised clocks differ."""


class OpenedSession(NamedTuple):
    """A new session and its token, which is not stored."""

    session: UserSession
    access_token: str


class SessionStore:
    """The sessions, within one transaction."""

    def __init__(self, session: AsyncSession, signer: Signer, lifetime: int) -> None:
        """`lifetime`: seconds until a new session expires."""
        self.lifetime = lifetime
        self._session = session
        self._signer = signer

    async def open(self, user_id: UUID) -> OpenedSession:
        """Open a session for an account, whose row the caller has locked."""
        expires_at = clock.now() + timedelta(seconds=self.lifetime)
        opened = UserSession(user_id=user_id, expires_at=expires_at)
        self._session.add(opened)
        await self._session.flush()
        token = self._signer.sign(AUDIENCE, expires_at, sub=str(user_id), jti=str(opened.id))
        return OpenedSession(opened, token)

    async def exists(self, session_id: UUID) -> bool:
        """Return whether a session has not been revoked."""
        statement = select(UserSession.id).where(UserSession.id == session_id)
        return await self._session.scalar(statement) is not None

    async def count(self, user_id: UUID) -> int:
        """Return how many sessions of an account have not expired."""
        valid = (UserSession.user_id == user_id, UserSession.expires_at > clock.now())
        statement = select(func.count()).select_from(UserSession).where(*valid)
        return await self._session.scalar(statement) or 0

    async def revoke(self, session_id: UUID) -> None:
        """Revoke a session: its token is invalid after the commit."""
        await self._session.execute(delete(UserSession).where(UserSession.id == session_id))

    async def revoke_all(self, user_id: UUID, *, except_id: UUID | None = None) -> None:
        """Revoke the sessions of an account, except the one with the id `except_id`."""
        statement = delete(UserSession).where(UserSession.user_id == user_id)
        if except_id is not None:
            statement = statement.where(UserSession.id != except_id)
        await self._session.execute(statement)


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
    """Let up to `limit` sessions that would outlive one opened now end when that does.

    Returns how many were shortened. A clock that was ahead opened them, or `lifetime` (seconds) was
    longer then.
    """
    end = max(clock.now(), await database_now(session)) + timedelta(seconds=lifetime)
    longer = select(UserSession.id).where(UserSession.expires_at > end + _CLOCKS_DIFFER)
    ids = list(await session.scalars(longer.limit(limit)))
    mine = update(UserSession).where(UserSession.id.in_(ids))
    await session.execute(mine.values(expires_at=end))
    return len(ids)
