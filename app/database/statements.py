"""Statements that every feature needs."""

from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import CursorResult, Delete, Select, Update, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import sqlite
from app.database.types import utcnow

Row = TypeVar("Row", bound=tuple[Any, ...])


async def database_now(session: AsyncSession) -> datetime:
    """Return the time (aware, UTC) of the database's clock, which all processes share."""
    now: datetime = (await session.execute(select(utcnow()))).scalar_one()
    return now


async def execute_rowcount(session: AsyncSession, statement: Update | Delete) -> int:
    """Execute `statement` and return the number of rows it matched."""
    result = await session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount


def for_update(statement: Select[Row]) -> Select[Row]:
    """Return `statement` reading the newest rows and locking them until the commit."""
    options = {sqlite.LOCK: True, "populate_existing": True}
    return statement.with_for_update().execution_options(**options)
