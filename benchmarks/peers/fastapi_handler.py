"""The same as an ASGI application: FastAPI with one route, behind Mangum."""

from inspect import isawaitable
from typing import Any

from bare_handler import body, find  # type: ignore[import-not-found]
from fastapi import FastAPI, Request
from mangum import Mangum

app = FastAPI(openapi_url=None)


@app.get("/users/me")
async def me(request: Request) -> Any:
    found = find(request.headers["x-login"])
    return body(await found if isawaitable(found) else found)


handler = Mangum(app, lifespan="off")
