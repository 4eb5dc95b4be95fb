"""Copy all rows of one Keystead database to another, empty one.

PYTHONPATH=. .venv/bin/python infra/vm/copy_database.py FROM TO

FROM and TO are files with a database URL, so that no password is in the shell's history. Both
databases are at this release's revision, and no Keystead runs on either. TO gets all rows in one
transaction, or none.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.engine import Database
from app.models import TABLES, metadata
from app.schema.revisions import find_problem
from app.settings.database_url import with_driver

BATCH = 1_000  # rows of one INSERT


async def copy_database(source_url: str, target_url: str) -> dict[str, int]:
    """Copy every table; return the number of rows of each.

    Raises ValueError if a database is not at head or the target has rows.
    """
    async with (
        Database(with_driver(source_url)) as source,
        Database(with_driver(target_url)) as target,
    ):
        for name, database in (("FROM", source), ("TO", target)):
            if problem := await find_problem(database, TABLES):
                raise ValueError(f"{name}: {problem}")
        async with target.transaction() as session:
            return {
                table.name: await _copy(table, source, session) for table in metadata.sorted_tables
            }


async def _copy(table: Table, source: Database, session: AsyncSession) -> int:
    count = select(func.count()).select_from(table)
    if await session.scalar(count):
        raise ValueError(f"TO: the table {table.name} is not empty")
    batch: list[dict[str, Any]] = []
    async with source.stream(select(table)) as rows:
        async for row in rows:
            batch.append(dict(row._mapping))
            if len(batch) == BATCH:
                await session.execute(insert(table), batch)
                batch.clear()
    if batch:
        await session.execute(insert(table), batch)
    return await session.scalar(count) or 0


if __name__ == "__main__":
    try:
        urls = [Path(name).read_text().strip() for name in sys.argv[1:]]
        if len(urls) != 2:
            raise ValueError("usage: copy_database.py FROM TO, each a file with a database URL")
        for name, rows in asyncio.run(copy_database(*urls)).items():
            print(f"{name}: {rows}")
    except (OSError, ValueError) as error:
        sys.exit(f"copy_database: {error}")
