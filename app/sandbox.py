"""Keystead in a process of AWS Lambda's, which serves one event at a time and sleeps in between."""

import asyncio
import time
from typing import Any

import structlog
from fastapi import FastAPI
from mangum import Mangum
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from app.lambda_events import Schedule, UnknownEvent, base_path, client_of, count, is_http
from app.main import app as first_app
from app.main import create_app
from app.settings import Settings

log = structlog.get_logger()

MARGIN_SECONDS = 2  # for rolling back and answering, before Lambda ends the process
SECRETS_SECONDS = 300  # secrets are looked at again
_TEXT = [
    "text/",
    "application/json",
    "application/javascript",
    "application/openmetrics-text",
    "image/svg+xml",
]


class Sandbox:
    """One event loop and one lifespan, for as long as Lambda keeps the process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._open(first_app)
        self._mangum = Mangum(
            self._serve, lifespan="off", custom_handlers=[Schedule], text_mime_types=_TEXT
        )

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer an event: a request's with its response, the schedule's with the report.

        Raises TickFailed so that Lambda asks again, UnknownEvent for anything else.
        """
        # Whoever ran a loop of their own has left this thread without one.
        asyncio.set_event_loop(self._loop)
        self._renew()
        if is_http(event):
            return self._answer(event, context)
        if not Schedule.infer(event, context, self._mangum.config):
            raise UnknownEvent(event)
        report = self._mangum(event, context)
        count("TickSuccess")
        return report

    def _answer(self, event: Any, context: Any) -> dict[str, Any]:
        failed = True
        try:
            response = self._mangum(event, context)
            failed = response["statusCode"] >= 500
        finally:
            if failed:
                count("ServerErrors")
        headers = response.get("headers", {})
        if headers.get("content-length", "0") == "0":
            # Mangum names a type for every body, where there is none too.
            headers.pop("content-type", None)
        return response

    def _open(self, app: FastAPI) -> None:
        self._app = app
        self._lifespan = app.router.lifespan_context(app)
        state = self._loop.run_until_complete(self._lifespan.__aenter__())
        assert state is not None
        self._state = dict(state)
        self._settings: Settings = self._state["services"].settings
        self._base_path = base_path(self._settings.base_url)
        self._look_again_at = time.time() + SECRETS_SECONDS
        log.info("sandbox opened", database=self._state["services"].database.engine.name)

    def _renew(self) -> None:
        """Begin anew, in a lifespan of its own, if a secret has changed."""
        if not self._settings.secrets or time.time() < self._look_again_at:
            return
        self._look_again_at = time.time() + SECRETS_SECONDS
        try:
            settings = Settings()
        except ValueError as error:
            log.error("secrets not read", error=str(error))
            return
        if settings != self._settings:
            self._loop.run_until_complete(self._lifespan.__aexit__(None, None, None))
            self._open(create_app(settings))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request within the time that is left of its invocation."""
        scope["state"] = dict(self._state)
        scope["root_path"] = self._base_path
        scope["client"] = client_of(scope)
        answered = False

        async def note(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        left = scope["aws.context"].get_remaining_time_in_millis() / 1_000
        request = asyncio.create_task(self._app(scope, receive, note))
        request.add_done_callback(_taken_note_of)
        await asyncio.wait({request}, timeout=left - MARGIN_SECONDS)
        if request.done():
            if not answered:
                await request
            return
        log.error("out of time", path=scope["path"])
        request.cancel()
        await asyncio.wait({request}, timeout=MARGIN_SECONDS / 2)
        if not answered:
            refusal = JSONResponse({"detail": "OUT_OF_TIME"}, 503, {"Retry-After": "1"})
            await refusal(scope, receive, send)


def _taken_note_of(request: asyncio.Task[None]) -> None:
    """Look at what a request failed with, which was logged with it, or asyncio complains."""
    if not request.cancelled():
        request.exception()
