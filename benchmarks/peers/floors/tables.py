"""The tables of the floors: a session and its account, one row each."""

from datetime import UTC, datetime
from os import environ
from typing import Any

from sqlalchemy import Column, DateTime, ForeignKey, MetaData, String, Table, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

KEY = "0" * 32
"""The id of the session, which is its token."""

metadata = MetaData()
account = Table(
    "account",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("email", String(320), unique=True),
)
login = Table(
    "login",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey(account.c.id)),
    Column("expires_at", DateTime(timezone=True)),
)


def open_engine() -> AsyncEngine:
    """Return an engine without transactions, with one connection for each client."""
    url = environ["DATABASE_URL"]
    if url.startswith("sqlite"):
        return create_async_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)
    return create_async_engine(url, isolation_level="AUTOCOMMIT", pool_size=8)


async def fill(engine: AsyncEngine) -> None:
    """Create the tables with an account and its session."""
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        if (await connection.execute(select(login.c.id))).first() is None:
            await connection.execute(account.insert(), {"id": KEY, "email": "arthur@camelot.bt"})
            until = datetime(2126, 7, 1, tzinfo=UTC)
            row = {"id": KEY, "account_id": KEY, "expires_at": until}
            await connection.execute(login.insert(), row)


async def find(engine: AsyncEngine, token: str) -> dict[str, Any] | None:
    """Return the account of the session with this token."""
    statement = (
        select(account)
        .join(login)
        .where(login.c.id == token, login.c.expires_at > datetime.now(UTC))
    )
    async with engine.connect() as connection:
        row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row is not None else None
