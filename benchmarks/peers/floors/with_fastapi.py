"""The least with FastAPI and SQLAlchemy: one joined select."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

from benchmarks.peers.floors.tables import fill, find, open_engine

engine = open_engine()


class Account(BaseModel):
    id: str
    email: str


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await fill(engine)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/users/me")
async def who_am_i(authorization: Annotated[str, Header()] = "") -> Account:
    found = await find(engine, authorization.removeprefix("Bearer "))
    if found is None:
        raise HTTPException(401)
    return Account(**found)
