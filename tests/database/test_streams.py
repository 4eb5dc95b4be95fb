"""Streams: many rows in constant memory."""

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import insert, select, true
from sqlalchemy.orm import aliased

from app.resources import Resources
from app.tick.tables import TickCounter

InResources = Callable[[Callable[[Resources], Awaitable[Any]]], Any]
ROWS = 150
LEFT, RIGHT = aliased(TickCounter), aliased(TickCounter)
PAIRS = (
    select(LEFT.name, RIGHT.name).join(RIGHT, true()).order_by(LEFT.name)
)  # 22,500 rows of 120 bytes and more
MEGABYTE = 1_000_000


async def fill(resources: Resources) -> None:
    rows = [{"name": f"{n:060}", "value": n} for n in range(ROWS)]
    async with resources.database.transaction() as session:
        await session.execute(insert(TickCounter), rows)


def test_a_stream_holds_a_thousand_rows_and_not_all(in_resources: InResources) -> None:
    async def check(resources: Resources) -> tuple[int, int]:
        await fill(resources)
        counted = 0
        tracemalloc.start()
        async with resources.database.stream(PAIRS) as rows:
            async for _ in rows:
                counted += 1
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return counted, peak

    counted, peak = in_resources(check)
    assert counted == ROWS**2
    assert peak < 3 * MEGABYTE  # all rows: more than 9


def test_a_stream_that_is_left_early_leaves_a_usable_connection(in_resources: InResources) -> None:
    async def check(resources: Resources) -> None:
        await fill(resources)
        for _ in range(30):  # more than the pool's connections
            async with resources.database.stream(PAIRS) as rows:
                async for _ in rows:
                    break
        async with asyncio.timeout(10), resources.database.transaction() as session:
            assert len((await session.scalars(select(TickCounter.name))).all()) == ROWS

    in_resources(check)


def test_a_result_beyond_the_first_fetch_is_whole(in_resources: InResources) -> None:
    async def check(resources: Resources) -> None:
        await fill(resources)
        async with resources.database.transaction() as session:
            assert len((await session.execute(PAIRS)).all()) == ROWS**2

    in_resources(check)
