"""Accounts in the database, for fastapi-users."""

import base64
from typing import Any, cast
from uuid import UUID

from fastapi_users_db_sqlalchemy import SQLAlchemyUserDatabase
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import limits
from app.database.errors import raise_for_constraint
from app.database.session import release_connection
from app.database.statements import for_update
from app.users.emails import email_key, storable
from app.users.tables import CONSTRAINT_ERRORS, AnyUser, User


class FlushingSession:
    """A session whose `commit` flushes and whose `refresh` does nothing.

    fastapi-users' adapter commits after each change; here the edge commits the transaction. Its
    refresh would be a SELECT of values that are known.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def commit(self) -> None:
        with raise_for_constraint(CONSTRAINT_ERRORS):
            await self._session.flush()

    async def refresh(self, instance: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


class UserDatabase(SQLAlchemyUserDatabase[AnyUser, UUID]):
    """fastapi-users' adapter within our transaction; finds accounts by their e-mail key.

    `create` and `update` raise UserAlreadyExists for an address that is taken, also in a race.
    """

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(cast("AsyncSession", FlushingSession(session)), User)
        self._transaction = session

    async def get_by_email(self, email: str) -> User | None:
        """Return the account with this address, in any spelling."""
        if not limits.EMAIL.holds(email) or not storable(email):
            return None
        statement = select(User).where(User.email_key == email_key(email))
        user: User | None = await self._transaction.scalar(statement)
        return user

    async def release_connection(self) -> None:
        """Return the connection before a slow step. Raises RuntimeError after a write."""
        await release_connection(self._transaction)

    async def get_locked(self, id: UUID) -> User | None:
        """Return the account as it is now, locked until the commit; None if it is gone."""
        return (await self.get_all_locked({id})).get(id)

    async def get_all_locked(self, ids: set[UUID]) -> dict[UUID, User]:
        """Return the existing accounts of `ids`, by id, locked in the order of their ids."""
        statement = select(User).where(User.id.in_(ids)).order_by(User.id)
        users = await self._transaction.scalars(for_update(statement))
        return {user.id: user for user in users}

    async def lock_superusers(self, *, verified: bool) -> set[UUID]:
        """Return the ids of the active superusers, locked until the commit.

        `verified`: only those with a verified address, where a log-in requires one.
        """
        statement = select(User.id).where(User.is_superuser, User.is_active).order_by(User.id)
        if verified:
            statement = statement.where(User.is_verified)
        return set(await self._transaction.scalars(for_update(statement)))

    async def page(
        self, limit: int, after: str | None, prefix: str
    ) -> tuple[list[User], str | None]:
        """Return up to `limit` accounts by address, after the cursor `after`, and the next cursor.

        `prefix`: keeps the addresses that start with it, in any spelling. A page costs the same at
        any cursor and with any number of accounts. Raises ValueError for an invalid cursor.
        """
        statement = select(User).order_by(User.email_key).limit(limit + 1)
        if after is not None:
            statement = statement.where(User.email_key > _read_cursor(after))
        if not limits.SEARCH.holds(prefix) or not storable(prefix):
            return [], None
        if key := email_key(prefix):
            # U+10FFFF sorts after every character an address can have.
            statement = statement.where(User.email_key.between(key, key + "\U0010ffff"))
        users = list(await self._transaction.scalars(statement))
        more = len(users) > limit
        return users[:limit], _cursor(users[limit - 1]) if more else None


def _cursor(user: User) -> str:
    return base64.urlsafe_b64encode(user.email_key.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        if not limits.CURSOR.holds(cursor):
            raise ValueError
        padded = cursor + "=" * (-len(cursor) % 4)
        key = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError:
        key = ""
    if not key or not storable(key):
        raise ValueError("not a cursor of this list")
    return key
