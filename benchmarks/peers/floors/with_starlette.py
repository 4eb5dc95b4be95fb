"""The least with Starlette and SQLAlchemy: one joined select."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.peers.floors.tables import fill, find, open_engine

engine = open_engine()


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    await fill(engine)
    yield
    await engine.dispose()


async def who_am_i(request: Request) -> JSONResponse:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    found = await find(engine, token)
    return JSONResponse(found, 200 if found is not None else 401)


app = Starlette(routes=[Route("/users/me", who_am_i)], lifespan=lifespan)
