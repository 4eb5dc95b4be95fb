"""The example with fastapi-users' DatabaseStrategy: a session is a row, read at each request.

Written from the description in its documentation; the rest is that of `app`, beside whose tables
these are created.
"""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI
from fastapi_users import FastAPIUsers
from fastapi_users.authentication import AuthenticationBackend, BearerTransport
from fastapi_users.authentication.strategy.db import DatabaseStrategy
from fastapi_users_db_sqlalchemy.access_token import (
    SQLAlchemyAccessTokenDatabase,
    SQLAlchemyBaseAccessTokenTableUUID,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app import (
    Base,
    User,
    UserCreate,
    UserRead,
    UserUpdate,
    get_manager,
    get_session,
    lifespan,
)


class AccessToken(SQLAlchemyBaseAccessTokenTableUUID, Base):
    pass


async def get_tokens(session: Annotated[AsyncSession, Depends(get_session)]) -> AsyncIterator:
    yield SQLAlchemyAccessTokenDatabase(session, AccessToken)


def get_strategy(
    tokens: Annotated[SQLAlchemyAccessTokenDatabase, Depends(get_tokens)],
) -> DatabaseStrategy:
    return DatabaseStrategy(tokens, lifetime_seconds=3_600)


backend = AuthenticationBackend("database", BearerTransport("auth/jwt/login"), get_strategy)
accounts = FastAPIUsers[User, UUID](get_manager, [backend])

app = FastAPI(lifespan=lifespan)
app.include_router(accounts.get_auth_router(backend), prefix="/auth/jwt", tags=["auth"])
app.include_router(
    accounts.get_register_router(UserRead, UserCreate), prefix="/auth", tags=["auth"]
)
app.include_router(accounts.get_users_router(UserRead, UserUpdate), prefix="/users", tags=["users"])
