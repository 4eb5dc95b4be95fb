"""aiosqlite's private parts, which app/database/sqlite_driver.py uses: if red, they have moved."""

import asyncio
import inspect
import sqlite3
import threading
from pathlib import Path

import aiosqlite
import pytest

from app.database.sqlite_driver import connect

pytestmark = pytest.mark.only("sqlite")


def test_aiosqlite_runs_functions_in_its_thread_and_keeps_its_connection(tmp_path: Path) -> None:
    async def check() -> None:
        connection = await connect(str(tmp_path / "k.db"))
        try:
            assert isinstance(connection._conn, sqlite3.Connection)
            assert connection._thread.daemon
            assert await connection.run(threading.get_ident) == connection._thread.ident
        finally:
            await connection.close()

    asyncio.run(check())


def test_aiosqlites_connection_takes_a_connector_and_a_chunk_size() -> None:
    parameters = list(inspect.signature(aiosqlite.Connection).parameters)
    assert parameters[:2] == ["connector", "iter_chunk_size"]
