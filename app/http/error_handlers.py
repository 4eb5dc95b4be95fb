"""The exception handlers: every error is answered as `{"detail": …}`."""

import json
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.errors import APIError, DatabaseUnavailable
from app.http import token_errors
from app.http.body_limit import malformed_body

log = structlog.get_logger()


def add_exception_handlers(app: FastAPI) -> None:
    """Answer every error of `app` as `{"detail": …}`; any that is unknown is a bug: 500."""
    app.add_exception_handler(APIError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, internal_server_error)


def error_response(error: APIError) -> Response:
    """Return the answer to `error`."""
    return _respond(error.status, error.detail, error.headers, error.members)


def _respond(
    status: int,
    detail: Any,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, str] | None = None,
) -> Response:
    return JSONResponse({"detail": detail, **(members or {})}, status, headers)


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, APIError)
    if isinstance(error, DatabaseUnavailable):
        log.error("database unavailable", error=str(error))
    return error_response(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    members = token_errors.members(request.scope, error.status_code)
    return _respond(error.status_code, error.detail, headers, members)


def _allowed(request: Request) -> str:
    """Return every method of the resource: Starlette names those of the first matching route."""
    by_path: dict[str | None, set[str]] = {}
    for route in iter_route_contexts(request.app.routes):
        if route.matches(request.scope)[0] is not Match.NONE:
            by_path.setdefault(route.path, set()).update(route.methods or ())
    # The first path answers: `/users/me` matches `/users/{id}` as well.
    methods = next(iter(by_path.values()), {"GET"})
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problem = malformed_body(request.scope)
    if problem is not None:
        return _invalid_body(request, "json_invalid", problem)
    if isinstance(error.body, bytes):
        # FastAPI has not parsed it, and would report that fields are missing.
        problem = "The body is not JSON by its type: send application/json"
        return _invalid_body(request, "json_type", problem)
    return _respond(
        422,
        [
            {
                "type": invalid["type"],
                "loc": list(invalid["loc"]),
                # Pydantic puts its class before the text of a ValueError, which people read.
                "msg": invalid["msg"].removeprefix("Value error, "),
                "input": _printable(invalid["input"]),
            }
            for invalid in error.errors()
        ],
        members=token_errors.members(
            request.scope, 422, [tuple(invalid["loc"]) for invalid in error.errors()]
        ),
    )


def _invalid_body(request: Request, kind: str, problem: str) -> Response:
    detail = [{"type": kind, "loc": ["body"], "msg": problem, "input": None}]
    return _respond(422, detail, members=token_errors.members(request.scope, 422))


def _printable(value: Any) -> Any:
    """Return the client's `value`, or its ASCII repr if JSON in UTF-8 cannot hold it."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError):
        return ascii(value)
    except RecursionError:
        return None
    return value


async def internal_server_error(request: Request, error: Exception) -> Response:
    """Return the answer to an error that no handler knows."""
    return _respond(500, "Internal Server Error")
