"""What every request passes through, whatever its route (ASGI middleware)."""

import asyncio
import json
import os
import time
from typing import NoReturn

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.faults import Collision, retried
from app.ids import new_id

log = structlog.get_logger()

_HEADERS = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=63072000"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
MAX_DEPTH = 32
# What comes with these is not read: no route of theirs takes one.
_WITHOUT_BODY = ("GET", "HEAD")
# Status, code and headers of whatever is not answered because the database cannot.
UNAVAILABLE = (503, "DATABASE_UNAVAILABLE", {"Retry-After": "1"})
_MALFORMED = "keystead.malformed_body"


class RequestLog:
    """Gives each request an id, in the answer and in all its log lines, and logs it once done.

    The path is logged without its query: links from mails carry tokens there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = time.perf_counter()
        request_id = new_id().hex
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            except Exception:
                log.exception("request failed", method=scope["method"], path=scope["path"])
                raise
            finally:
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    ms=round((time.perf_counter() - started) * 1000, 1),
                    client=(scope.get("client") or [None])[0],
                    pid=os.getpid(),
                )


class SecurityHeaders:
    """Adds the headers that make browsers careful, where the route did not choose its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"] = list(message["headers"])
                chosen = {name for name, _ in headers}
                # Files have an ETag to ask by; answers are for whoever asked, and once.
                cache = b"no-cache" if b"etag" in chosen else b"no-store"
                defaults = [*_HEADERS, (b"cache-control", cache)]
                headers.extend(header for header in defaults if header[0] not in chosen)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class Bodies:
    """Takes each body whole: too large (413) or too slow (408) a one is refused.

    FastAPI parses JSON before it solves any dependency. So that the guards still speak first, 401
    before 422, malformed JSON is handed on as a text that no model accepts, and `malformed_body`
    tells the error's handler what was wrong.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float = 30) -> None:
        self.app = app
        self.limit = limit  # bytes
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _WITHOUT_BODY:
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.seconds):
                body = await self._read(receive)
        except HTTPException as refusal:
            answer = JSONResponse({"detail": refusal.detail}, refusal.status_code)
            await answer(scope, receive, send)
            return
        except TimeoutError:
            answer = JSONResponse({"detail": "Request Timeout"}, 408, {"Connection": "close"})
            await answer(scope, receive, send)
            return
        if body is None:
            return  # the client has gone
        if _says_json(Headers(scope=scope).get("content-type")):
            fault = _json_fault(body)
            if fault is not None:
                scope[_MALFORMED], body = fault, b'""'
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self.app(scope, replay, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the whole body; None if the client has gone. Raises HTTPException 413."""
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > self.limit:
                raise HTTPException(413, "Content Too Large")
            more = message.get("more_body", False)
        return body


class Replay:
    """Runs a request again, from its start, when its transaction lost to another (Collision).

    Nothing of the first try is left: the answer begins after the commit, and mail is announced by
    it. Its place is within Bodies, where a request's body is one message.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received: list[Message] = []
        try:
            await self._run(scope, received, receive, send)
        except Collision as collision:
            log.error("database unavailable", error=str(collision))
            status, code, headers = UNAVAILABLE
            await JSONResponse({"detail": code}, status, headers)(scope, receive, send)

    @retried
    async def _run(
        self, scope: Scope, received: list[Message], receive: Receive, send: Send
    ) -> None:
        again = received.copy()

        async def replay() -> Message:
            if again:
                return again.pop(0)
            received.append(await receive())
            return received[-1]

        # Routing leaves its marks in the scope.
        await self.app(dict(scope), replay, send)


def malformed_body(scope: Scope) -> str | None:
    """Return what was wrong with the JSON body of this request, or None."""
    fault: str | None = scope.get(_MALFORMED)
    return fault


def _says_json(content_type: str | None) -> bool:
    """Tell whether FastAPI will read the body as JSON; no header at all counts as JSON."""
    if not content_type:
        return True
    kind = content_type.partition(";")[0].strip().lower()
    return kind.startswith("application/") and kind.endswith(("/json", "+json"))


def _json_fault(body: bytes) -> str | None:
    if not body:
        return None
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
        if b"\\ud" in body.lower():
            json.dumps(value, ensure_ascii=False).encode()
        if _too_deep(value):
            return "The body is nested too deeply"
    except UnicodeEncodeError:
        return "The body escapes half of a surrogate pair"
    except UnicodeDecodeError:
        return "The body is not UTF-8"
    except RecursionError:
        return "The body is nested too deeply"
    except ValueError as error:
        return f"The body is not JSON: {error}"
    return None


def _too_deep(value: object, limit: int = MAX_DEPTH) -> bool:
    """Tell whether containers are nested in `value` beyond `limit` levels."""
    if not isinstance(value, dict | list):
        return False
    children = value.values() if isinstance(value, dict) else value
    return limit == 0 or any(_too_deep(child, limit - 1) for child in children)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")
