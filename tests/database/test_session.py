"""The session of a transaction: it knows whether it has written."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.session import release_connection
from app.resources import Resources
from app.tick.tables import TickCounter

InResources = Callable[[Callable[[Resources], Awaitable[Any]]], Any]


async def add(session: AsyncSession) -> None:
    session.add(TickCounter(name="k", value=1))


async def add_and_flush(session: AsyncSession) -> None:
    session.add(TickCounter(name="k", value=1))
    await session.flush()


async def execute_insert(session: AsyncSession) -> None:
    await session.execute(insert(TickCounter).values(name="k", value=1))


async def execute_update(session: AsyncSession) -> None:
    await session.execute(update(TickCounter).values(value=2))


async def execute_delete(session: AsyncSession) -> None:
    await session.execute(delete(TickCounter))


@pytest.mark.parametrize(
    "write", [add, add_and_flush, execute_insert, execute_update, execute_delete]
)
def test_a_connection_is_not_released_after_a_write(
    in_resources: InResources, write: Callable[[AsyncSession], Awaitable[None]]
) -> None:
    async def check(resources: Resources) -> None:
        async def write_and_release() -> None:
            async with resources.database.transaction() as session:
                await write(session)
                await release_connection(session)

        with pytest.raises(RuntimeError, match="the transaction has written"):
            await write_and_release()
        async with resources.database.transaction() as session:
            assert list(await session.scalars(select(TickCounter.name))) == []

    in_resources(check)


def test_a_connection_is_released_after_reads_and_writes_follow(in_resources: InResources) -> None:
    async def check(resources: Resources) -> None:
        async with resources.database.transaction() as session:
            await session.scalars(select(TickCounter))
            await release_connection(session)
            await add_and_flush(session)
        async with resources.database.transaction() as session:
            await release_connection(session)
            assert list(await session.scalars(select(TickCounter.name))) == ["k"]

    in_resources(check)
