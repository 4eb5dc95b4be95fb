"""The middleware that limits request bodies in bytes and seconds."""

import asyncio
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import limits
from app.http import token_errors
from app.http.json_body import find_problem, is_json, is_mislabelled

# Methods whose request body is ignored.
_WITHOUT_BODY = ("GET", "HEAD")
_MALFORMED = "keystead.malformed_body"


class _TooLarge(Exception):
    pass


class BodyLimitMiddleware:
    """Reads each body whole; answers 413 beyond `limit` bytes and 408 after `seconds`.

    FastAPI parses JSON before it solves any dependency, which would answer 422 before a guard's
    401. So malformed JSON is replaced by a string that no model accepts, and `malformed_body` tells
    the handler of validation errors what was wrong.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float = 30) -> None:
        self.app = app
        self.limit = limit  # bytes
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _WITHOUT_BODY:
            await self.app(scope, receive, send)
            return
        kind = MutableHeaders(scope=scope).get("content-type", "")
        if not limits.CONTENT_TYPE.holds(kind):
            await _refuse(415, "Unsupported Media Type")(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.seconds):
                body = await self._read(receive)
        except _TooLarge:
            await _refuse(413, "Content Too Large")(scope, receive, send)
            return
        except TimeoutError:
            refusal = _refuse(408, "Request Timeout", {"Connection": "close"})
            await refusal(scope, receive, send)
            return
        if body is None:
            return  # the client disconnected
        if kind.lower().startswith("multipart/"):
            MutableHeaders(scope=scope)["content-type"] = _without_charset(kind)
        if is_mislabelled(kind, body):
            kind = MutableHeaders(scope=scope)["content-type"] = "application/json"
        if is_json(kind):
            problem = find_problem(body)
            if problem is not None:
                scope[_MALFORMED], body = problem, b'""'
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self.app(scope, replay, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the whole body; None if the client disconnected. Raises _TooLarge."""
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > self.limit:
                raise _TooLarge
            more = message.get("more_body", False)
        return body


def _refuse(status: int, detail: str, headers: Mapping[str, str] | None = None) -> ASGIApp:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        content = {"detail": detail, **token_errors.members(scope, status)}
        await JSONResponse(content, status, headers)(scope, receive, send)

    return refuse


def _without_charset(content_type: str) -> str:
    """Return a multipart type without a charset, so that its parts are read as UTF-8.

    RFC 7578, section 5.1.2. Python's decoders of domain names take time in the square of a length.
    """
    parameters = content_type.split(";")
    return ";".join(one for one in parameters if not one.strip().lower().startswith("charset"))


def malformed_body(scope: Scope) -> str | None:
    """Return what was wrong with the JSON body of this request, or None."""
    problem: str | None = scope.get(_MALFORMED)
    return problem
