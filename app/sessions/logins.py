"""Logins in the database: opened, found by their token, ended."""

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
    """The logins, within one transaction. Knows which of them the request came with."""

    def __init__(self, session: AsyncSession, signer: Signer, lifetime: int) -> None:
        self.lifetime = lifetime  # seconds
        self._session = session
        self._signer = signer
        self._own: UUID | None = None

    async def open(self, user: User) -> str:
        """Make a login for `user`, whose row is locked, and return its access token."""
        expires_at = clock.now() + timedelta(seconds=self.lifetime)
        login = UserSession(user_id=user.id, expires_at=expires_at)
        self._session.add(login)
        await self._session.flush()
        return self._signer.sign(AUDIENCE, expires_at, sub=str(user.id), jti=str(login.id))

    async def find(self, token: str) -> User | None:
        """Return the account that `token` is a login of, if the login still stands."""
        claims = self._signer.read(AUDIENCE, token)
        if claims is None:
            return None
        login_id = UUID(claims["jti"])
        user: User | None = await self._session.scalar(
            select(User)
            .join(UserSession)
            .where(UserSession.id == login_id, UserSession.expires_at > clock.now())
        )
        self._own = login_id
        return user

    async def alive(self) -> bool:
        """Tell whether the login of this request is still there."""
        statement = select(UserSession.id).where(UserSession.id == self._own)
        return await self._session.scalar(statement) is not None

    async def end_own(self) -> None:
        """End the login of this request."""
        await self._session.execute(delete(UserSession).where(UserSession.id == self._own))

    async def end(self, user_id: UUID, *, keep_own: bool = False) -> None:
        """End the logins of an account; if `keep_own`, all but that of this request."""
        statement = delete(UserSession).where(UserSession.user_id == user_id)
        if keep_own:
            statement = statement.where(UserSession.id != self._own)
        await self._session.execute(statement)


async def purge(session: AsyncSession, limit: int) -> int:
    """Delete up to `limit` logins that have run out. Returns how many."""
    expired = select(UserSession.id).where(UserSession.expires_at < clock.now()).limit(limit)
    ids = list(await session.scalars(expired))
    await session.execute(delete(UserSession).where(UserSession.id.in_(ids)))
    return len(ids)
