"""Poolers between a migration and PostgreSQL that give a session's lock to others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_PROCESS = text("SELECT pg_backend_pid()")
_TRIES = 5  # other clients of the pooler can hide it from one


@asynccontextmanager
async def unshared_sessions(engine: AsyncEngine) -> AsyncIterator[None]:
    """Raise ValueError if a transaction pooler lets connections share server processes."""
    if engine.dialect.name == "postgresql":
        async with engine.connect() as one, engine.connect() as other:
            for _ in range(_TRIES):
                if await _are_shared(one, other):
                    raise ValueError(
                        "a migration's lock is lost in the transaction pooler that is in front of "
                        "the database: set KEYSTEAD_MIGRATE_DATABASE_URL to the database past it"
                    )
    yield


async def _are_shared(one: AsyncConnection, other: AsyncConnection) -> bool:
    """Return whether a connection changes its server process, or both have the same one."""
    mine = await one.scalar(_PROCESS)
    await one.rollback()
    # The pooler gives the process that was used last, and has to find another for `one`.
    theirs = await other.scalar(_PROCESS)
    if mine == theirs:
        return True
    again = await one.scalar(_PROCESS)
    await one.rollback()
    await other.rollback()
    return bool(mine != again)
