"""Accounts in the database, for fastapi-users. It flushes; the edge commits."""

import base64
from typing import Any
from uuid import UUID

from fastapi_users.db import BaseUserDatabase
from fastapi_users.exceptions import UserAlreadyExists
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import locked
from app.users.emails import email_key, storable
from app.users.tables import AnyUser, User


class UserStore(BaseUserDatabase[AnyUser, UUID]):
    """Looks accounts up by key, and tells of a lost race as UserAlreadyExists."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def get(self, id: UUID) -> User | None:
        return await self.session.get(User, id)

    async def get_by_email(self, email: str) -> User | None:
        if not storable(email):
            return None
        statement = select(User).where(User.email_key == email_key(email))
        user: User | None = await self.session.scalar(statement)
        return user

    async def rest(self) -> None:
        """Give the connection back before something slow; nothing may have been written yet.

        What was read must be read again, locked, before anything is made of it.
        """
        await self.session.commit()

    async def get_locked(self, id: UUID) -> User | None:
        """Return the account as it is now; nobody else changes it before the commit."""
        return (await self.get_all_locked({id})).get(id)

    async def get_all_locked(self, ids: set[UUID]) -> dict[UUID, User]:
        """Return those accounts that there are, by id; as `get_locked`, and in one order."""
        statement = select(User).where(User.id.in_(ids)).order_by(User.id)
        users = await self.session.scalars(locked(statement))
        return {user.id: user for user in users}

    async def lock_superusers(self, *, verified: bool) -> set[UUID]:
        """Return the ids of the superusers who can log in, and keep them so until the commit.

        If `verified`, only those with a verified address can.
        """
        statement = select(User.id).where(User.is_superuser, User.is_active).order_by(User.id)
        if verified:
            statement = statement.where(User.is_verified)
        return set(await self.session.scalars(locked(statement)))

    async def create(self, create_dict: dict[str, Any]) -> User:
        user = User(**create_dict, email_key=email_key(create_dict["email"]))
        self.session.add(user)
        await self._flush()
        return user

    async def update(self, user: User, update_dict: dict[str, Any]) -> User:
        for name, value in update_dict.items():
            setattr(user, name, value)
        user.email_key = email_key(user.email)
        await self._flush()
        return user

    async def delete(self, user: User) -> None:
        await self.session.delete(user)
        await self._flush()

    async def _flush(self) -> None:
        try:
            await self.session.flush()
        except IntegrityError as error:
            # The only constraint that a well-formed account can break.
            raise UserAlreadyExists from error

    async def page(
        self, limit: int, after: str | None, prefix: str
    ) -> tuple[list[User], str | None]:
        """Return up to `limit` accounts by address, from the cursor `after`, and the next cursor.

        Only those whose address begins with `prefix`, in any spelling. Costs the same anywhere,
        however many accounts there are. Raises ValueError for a cursor that we did not give.
        """
        statement = select(User).order_by(User.email_key).limit(limit + 1)
        if after is not None:
            statement = statement.where(User.email_key > _read_cursor(after))
        if not storable(prefix):
            return [], None
        if key := email_key(prefix):
            # U+10FFFF sorts after every character an address can have.
            statement = statement.where(User.email_key.between(key, key + "\U0010ffff"))
        users = list(await self.session.scalars(statement))
        more = len(users) > limit
        return users[:limit], _cursor(users[limit - 1]) if more else None


def _cursor(user: User) -> str:
    return base64.urlsafe_b64encode(user.email_key.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError:
        key = ""
    if not key or not storable(key):
        raise ValueError("not a cursor of this list")
    return key
