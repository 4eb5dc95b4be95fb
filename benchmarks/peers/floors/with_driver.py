"""The least with Starlette and the database's driver: one joined select.

SQLite answers in the event loop, faster than a thread wakes up.
"""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from os import environ
from typing import Any

import asyncpg
from sqlalchemy import make_url
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.peers.floors.tables import fill, open_engine

Find = Callable[[str], Awaitable[dict[str, Any] | None]]

SELECT = """
SELECT account.id, account.email FROM account JOIN login ON login.account_id = account.id
WHERE login.id = {} AND login.expires_at > {}
"""
url = make_url(environ["DATABASE_URL"])


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Find]]:
    engine = open_engine()
    await fill(engine)
    await engine.dispose()
    opened = sqlite() if url.get_backend_name() == "sqlite" else postgres()
    async with opened as find:
        yield {"find": find}


@asynccontextmanager
async def sqlite() -> AsyncIterator[Find]:
    connection = sqlite3.connect(url.database or "", isolation_level=None)
    connection.row_factory = sqlite3.Row

    async def find(token: str) -> dict[str, Any] | None:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        row = connection.execute(SELECT.format("?", "?"), (token, now)).fetchone()
        return dict(row) if row is not None else None

    yield find
    connection.close()


@asynccontextmanager
async def postgres() -> AsyncIterator[Find]:
    statement = SELECT.format("$1", "$2")
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with asyncpg.create_pool(dsn, min_size=8, max_size=8) as pool:

        async def find(token: str) -> dict[str, Any] | None:
            row = await pool.fetchrow(statement, token, datetime.now(UTC))
            return dict(row) if row is not None else None

        yield find


async def who_am_i(request: Request) -> JSONResponse:
    find: Find = request.state.find
    found = await find(request.headers.get("authorization", "").removeprefix("Bearer "))
    return JSONResponse(found, 200 if found is not None else 401)


app = Starlette(routes=[Route("/users/me", who_am_i)], lifespan=lifespan)
