"""The transaction at the edge, where a database has a trap."""

import asyncio
import gc
import time
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.database import Database


@pytest.mark.sqlite
def test_a_failed_statement_does_not_stop_the_loop_later(tmp_path: Path) -> None:
    """A cursor that failed may live on in a traceback, while its connection waits for a lock."""

    async def check() -> float:
        async with Database(f"sqlite+aiosqlite:///{tmp_path}/k.db") as database:
            async with database.transaction() as session:
                await session.execute(text("CREATE TABLE t (x INTEGER UNIQUE)"))
                await session.execute(text("INSERT INTO t VALUES (1)"))
            async with database.engine.connect() as failing, database.engine.connect() as holder:
                with pytest.raises(IntegrityError) as failed:
                    await failing.execute(text("INSERT INTO t VALUES (1)"))
                await failing.rollback()
                await holder.execute(text("INSERT INTO t VALUES (2)"))
                waiting = asyncio.create_task(failing.execute(text("INSERT INTO t VALUES (3)")))
                await asyncio.sleep(0.2)
                start = time.monotonic()
                del failed
                gc.collect()
                await holder.commit()
                stopped = time.monotonic() - start
                await waiting
                return stopped

    assert asyncio.run(check()) < 5
