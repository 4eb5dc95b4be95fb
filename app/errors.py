"""Everything that is refused, as one tree, and the handlers that answer it.

Refusal (status, code)
├── Unauthorized     401  who are you?
├── Forbidden        403  not yours
├── NotFound         404
├── BadTickTime      400  a time that cannot be read, or lies in the future
├── UnknownJob       400
├── LastSuperuser    409  nobody would be left to manage accounts
├── TickRunning      409  another process is at work on it; Retry-After
├── TickTooOften     429  Retry-After
└── PasswordsBusy    503  more logins than can be compared; Retry-After
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.faults import Unavailable
from app.web import UNAVAILABLE, malformed_body

log = structlog.get_logger()


class Refusal(Exception):
    """A request that is not granted: answered with `status` and {"detail": `code`}."""

    status: ClassVar[int]
    code: ClassVar[str]
    headers: Mapping[str, str] | None = None

    def __str__(self) -> str:
        return self.code


class Unauthorized(Refusal):
    status, code = 401, "Unauthorized"


class Forbidden(Refusal):
    status, code = 403, "Forbidden"


class NotFound(Refusal):
    status, code = 404, "Not Found"


class BadTickTime(Refusal):
    status, code = 400, "TICK_BAD_TIME"


class UnknownJob(Refusal):
    status, code = 400, "TICK_UNKNOWN_JOB"


class LastSuperuser(Refusal):
    status, code = 409, "LAST_SUPERUSER"


class TickRunning(Refusal):
    status, code = 409, "TICK_RUNNING"

    def __init__(self, retry_after: int) -> None:
        self.headers = {"Retry-After": str(retry_after)}


class TickTooOften(TickRunning):
    status, code = 429, "TICK_TOO_OFTEN"


class PasswordsBusy(Refusal):
    status, code = 503, "PASSWORDS_BUSY"

    def __init__(self) -> None:
        self.headers = {"Retry-After": "3"}


def install_handlers(app: FastAPI) -> None:
    """Answer every error of `app` as {"detail": …}."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    for away in (Unavailable, OSError):
        app.add_exception_handler(away, _database_away)
    app.add_exception_handler(Exception, _bug)


def _answer(status: int, detail: Any, headers: Mapping[str, str] | None = None) -> Response:
    if status == 401:
        # RFC 6750, section 3.
        headers = {"WWW-Authenticate": "Bearer", **(headers or {})}
    return JSONResponse({"detail": detail}, status, headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _answer(error.status, error.code, error.headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return _answer(error.status_code, error.detail, headers)


def _allowed(request: Request) -> str:
    """Return every method of the resource; Starlette names those of its first route alone."""
    by_path: dict[str | None, set[str]] = {}
    for route in iter_route_contexts(request.app.routes):
        if route.matches(request.scope)[0] is not Match.NONE:
            by_path.setdefault(route.path, set()).update(route.methods or ())
    # The first is the one that answers: `/users/me` matches `/users/{id}` as well.
    return ", ".join(sorted(next(iter(by_path.values()), {"GET", "HEAD"})))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fault = malformed_body(request.scope)
    if fault is not None:
        return _answer(
            422,
            [{"type": "json_invalid", "loc": ["body"], "msg": fault, "input": None}],
        )
    return _answer(
        422,
        [
            {
                "type": problem["type"],
                "loc": list(problem["loc"]),
                "msg": problem["msg"],
                "input": _printable(problem["input"]),
            }
            for problem in error.errors()
        ],
    )


def _printable(value: Any) -> Any:
    """Return what came from outside if JSON in UTF-8 can say it, else its ASCII spelling."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError):
        return ascii(value)
    except RecursionError:
        return None
    return value


async def _database_away(request: Request, error: Exception) -> Response:
    log.error("database unavailable", error=str(error))
    return _answer(*UNAVAILABLE)


async def _bug(request: Request, error: Exception) -> Response:
    return _answer(500, "Internal Server Error")
