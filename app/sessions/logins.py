"""Logins in the database: opened and ended. app/sessions/guard.py finds them by their token."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.sessions.tables import UserSession
from app.signing import Signer
from app.users.tables import User

AUDIENCE = "session"


class Logins:
    """The logins, within one transaction."""

    def __init__(self, session: AsyncSession, signer: Signer, lifetime: int) -> None:
        self.lifetime = lifetime  # seconds
        self._session = session
        self._signer = signer

    async def open(self, user: User) -> str:
        """Make a login for `user`, whose row is locked, and return its access token."""
        expires_at = clock.now() + timedelta(seconds=self.lifetime)
        login = UserSession(user_id=user.id, expires_at=expires_at)
        self._session.add(login)
        await self._session.flush()
        return self._signer.sign(AUDIENCE, expires_at, sub=str(user.id), jti=str(login.id))

    async def stands(self, login_id: UUID) -> bool:
        """Tell whether a login is still there."""
        statement = select(UserSession.id).where(UserSession.id == login_id)
        return await self._session.scalar(statement) is not None

    async def end(self, login_id: UUID) -> None:
        """End a login."""
        await self._session.execute(delete(UserSession).where(UserSession.id == login_id))

    async def end_all(self, user_id: UUID, *, but: UUID | None = None) -> None:
        """End the logins of an account, `but` the one with that id."""
        statement = delete(UserSession).where(UserSession.user_id == user_id)
        if but is not None:
            statement = statement.where(UserSession.id != but)
        await self._session.execute(statement)


async def purge(session: AsyncSession, limit: int) -> int:
    """Delete up to `limit` logins that have run out. Returns how many."""
    expired = select(UserSession.id).where(UserSession.expires_at < clock.now()).limit(limit)
    ids = list(await session.scalars(expired))
    await session.execute(delete(UserSession).where(UserSession.id.in_(ids)))
    return len(ids)
