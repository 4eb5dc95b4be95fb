"""The middleware that logs requests."""

import logging
import os
import time
from collections.abc import Collection

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ids import new_id

log = structlog.get_logger()

GONE = 499
"""nginx's status of a request whose client has gone before it was answered."""


class RequestLogMiddleware:
    """Gives each request an id, for its answer and its log lines, and logs it when it ends.

    The path is logged without the query, which holds the tokens of links in mails. A probe that
    succeeds is logged at DEBUG: it comes every few seconds, and says nothing new.
    """

    def __init__(self, app: ASGIApp, probes: Collection[str] = ()) -> None:
        self.app = app
        self.probes = probes  # paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = time.perf_counter()
        request_id = new_id().hex
        status = GONE
        is_probe = scope["path"].removeprefix(scope.get("root_path", "")) in self.probes

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
                status = 500
                log.exception("request failed", method=scope["method"], path=scope["path"])
                raise
            finally:
                log.log(
                    logging.DEBUG if is_probe and 200 <= status < 300 else logging.INFO,
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    ms=round((time.perf_counter() - started) * 1000, 1),
                    client=(scope.get("client") or [None])[0],
                    pid=os.getpid(),
                )
