"""The middleware that logs and measures requests."""

import asyncio
import logging
import os
import time
from collections.abc import Collection

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.route_templates import RouteTemplates
from app.ids import new_id
from app.metrics.recorder import Recorder, bounded_method

log = structlog.get_logger()

FIELDS = "log_fields"
"""The key in a request's state of what its route adds to the log entry, by name."""
GONE = 499
"""nginx's status of a request whose client has gone before it was answered."""


class RequestLogMiddleware:
    """Gives each request an id, for its answer and its log lines; logs and counts it at its end.

    The path is logged without the query, which holds the tokens of links in mails. A probe that
    succeeds is logged at DEBUG: it comes every few seconds, and says nothing new.
    """

    def __init__(self, app: ASGIApp, probes: Collection[str] = ()) -> None:
        self.app = app
        self.probes = probes  # paths
        self._templates = RouteTemplates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = time.perf_counter()
        request_id = new_id().hex
        status: int | None = None
        fields: dict[str, object] = {}
        scope["state"][FIELDS] = fields
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
            except asyncio.CancelledError:
                status = status or 500
                raise
            except Exception:
                status = status or 500
                log.exception("request failed", method=scope["method"], path=scope["path"])
                raise
            finally:
                seconds = time.perf_counter() - started
                status = status or GONE
                method = bounded_method(scope["method"])
                recorder: Recorder = scope["state"]["recorder"]
                recorder.count_request(self._templates.find(scope), method, status, seconds)
                log.log(
                    logging.DEBUG if is_probe and 200 <= status < 300 else logging.INFO,
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    ms=round(seconds * 1000, 1),
                    client=(scope.get("client") or [None])[0],
                    pid=os.getpid(),
                    **fields,
                )
