"""The application of fastapi-users' documentation, as a Lambda function.

Accounts in SQLAlchemy with UUID ids, JSON Web Tokens, and every router; written anew from that
description. Mangum adapts it, as in its own documentation.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.schemas import BaseUser, BaseUserCreate, BaseUserUpdate
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from mangum import Mangum
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

SECRET = os.environ["SECRET"]

engine = create_async_engine(os.environ["DATABASE_URL"])
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


class UserRead(BaseUser[UUID]):
    pass


class UserCreate(BaseUserCreate):
    pass


class UserUpdate(BaseUserUpdate):
    pass


class UserManager(UUIDIDMixin, BaseUserManager[User, UUID]):
    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


async def get_users(session: Annotated[AsyncSession, Depends(get_session)]) -> AsyncIterator:
    yield SQLAlchemyUserDatabase(session, User)


async def get_manager(
    users: Annotated[SQLAlchemyUserDatabase, Depends(get_users)],
) -> AsyncIterator:
    yield UserManager(users)


def get_strategy() -> JWTStrategy:
    return JWTStrategy(SECRET, lifetime_seconds=3_600)


backend = AuthenticationBackend("jwt", BearerTransport("auth/jwt/login"), get_strategy)
accounts = FastAPIUsers[User, UUID](get_manager, [backend])
active_user = accounts.current_user(active=True)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield


app = FastAPI(lifespan=lifespan)
app.include_router(accounts.get_auth_router(backend), prefix="/auth/jwt", tags=["auth"])
for router in (
    accounts.get_register_router(UserRead, UserCreate),
    accounts.get_verify_router(UserRead),
    accounts.get_reset_password_router(),
):
    app.include_router(router, prefix="/auth", tags=["auth"])
app.include_router(accounts.get_users_router(UserRead, UserUpdate), prefix="/users", tags=["users"])


@app.get("/hello")
async def hello(user: Annotated[User, Depends(active_user)]) -> str:
    return f"Hello, {user.email}"


handler = Mangum(app)
