"""The function's handler on AWS Lambda: one event at a time, in a process frozen in between."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog
from fastapi import FastAPI
from mangum import Mangum
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.aws.events import (
    Schedule,
    UnknownEvent,
    client_of,
    is_http,
    readable,
    refusal,
    without_stage,
)
from app.http.allowed_origins import AllowedOriginsMiddleware
from app.http.bearer import INTERNAL_REQUEST
from app.metrics.embedded import count, emit
from app.metrics.recorder import Recorder
from app.scrape import DATABASE_SECONDS, Scrape
from app.settings.model import Settings

log = structlog.get_logger()

MARGIN_SECONDS = 2  # for the rollback and the answer, before Lambda ends the process
SECRETS_SECONDS = 300  # between two reads of the secrets
_TEXT = [
    "text/",
    "application/json",
    "application/javascript",
    "application/openmetrics-text",
    "image/svg+xml",
]


class LambdaHandler:
    """The function's handler: one event loop and one lifespan for the life of the process."""

    def __init__(self, create_app: Callable[[Settings], FastAPI], settings: Settings) -> None:
        self._create_app = create_app
        self._loop = asyncio.new_event_loop()
        self._open(settings)
        self._mangum = Mangum(
            self._serve, lifespan="off", custom_handlers=[Schedule], text_mime_types=_TEXT
        )

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Return the answer to a request's event, or the report for the schedule's.

        Raises TickFailed, so that Lambda retries, and UnknownEvent for any other event.
        """
        # An event loop that has run in this thread meanwhile has unset it.
        asyncio.set_event_loop(self._loop)
        self._renew()
        if is_http(event):
            return self._answer(event, context)
        if not Schedule.infer(event, context, self._mangum.config):
            raise UnknownEvent(event)
        try:
            report = self._mangum(event, context)
            count("TickSuccess")
        finally:
            if context.get_remaining_time_in_millis() / 1_000 > DATABASE_SECONDS + MARGIN_SECONDS:
                self._loop.run_until_complete(_report(self._state["scrape"]))
        return report

    def _answer(self, event: Any, context: Any) -> dict[str, Any]:
        self._reached = False
        try:
            response = self._mangum(without_stage(readable(event)), context)
        except Exception:
            log.exception("event not answered")
            response = refusal(event, 500 if self._reached else 400)
        if response["statusCode"] >= 500:
            count("ServerErrors")
        headers = response.get("headers", {})
        if not response["body"] and headers.get("content-length", "0") == "0":
            # Mangum sets a content type for an empty body too.
            headers.pop("content-type", None)
        return response

    def _open(self, settings: Settings) -> None:
        """Start the lifespan of an application for `settings`, which then serves."""
        app = self._create_app(settings)
        lifespan = app.router.lifespan_context(app)
        state = self._loop.run_until_complete(lifespan.__aenter__())
        assert state is not None
        self._app, self._lifespan, self._state = app, lifespan, dict(state)
        self._settings = settings
        self._look_again_at = time.time() + SECRETS_SECONDS
        log.info("sandbox opened", database=self._state["resources"].database.engine.name)

    def _renew(self) -> None:
        """Start a new application, in a lifespan of its own, if a secret has changed."""
        if not self._settings.secrets or time.time() < self._look_again_at:
            return
        self._look_again_at = time.time() + SECRETS_SECONDS
        before = self._lifespan
        try:
            settings = Settings()
            if settings == self._settings:
                return
            self._open(settings)
        except Exception as error:
            # The present application serves until the next read.
            log.error("secrets not taken", error=f"{type(error).__name__}: {error}")
            return
        self._loop.run_until_complete(before.__aexit__(None, None, None))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request within the time that is left of the invocation."""
        self._reached = True
        scope["state"] = dict(self._state)
        scope["client"] = client_of(scope)
        if INTERNAL_REQUEST in scope:
            scope["state"]["recorder"] = Recorder()  # the schedule's ticks are no requests
        answer: list[Message] = []

        async def collect(message: Message) -> None:
            answer.append(message)

        left = scope["aws.context"].get_remaining_time_in_millis() / 1_000
        request = asyncio.create_task(self._app(scope, receive, collect))
        request.add_done_callback(_retrieve_exception)
        await asyncio.wait({request}, timeout=left - MARGIN_SECONDS)
        if not request.done():
            log.error("out of time", path=scope["path"])
            request.cancel()
            await asyncio.wait({request}, timeout=MARGIN_SECONDS / 2)
            if not _is_whole(answer):
                refused = JSONResponse({"detail": "OUT_OF_TIME"}, 503, {"Retry-After": "1"})
                return await self._readable_by_origins(refused)(scope, receive, send)
        elif not _is_whole(answer):
            failed = JSONResponse({"detail": "Internal Server Error"}, 500)
            return await self._readable_by_origins(failed)(scope, receive, send)
        for message in answer:
            await send(message)

    def _readable_by_origins(self, answer: ASGIApp) -> ASGIApp:
        origins = self._settings.origins
        return AllowedOriginsMiddleware(answer, origins) if origins else answer


async def _report(scrape: Scrape) -> None:
    """Write the lag of jobs and the age of mail as metrics, if the database can be read."""
    shared = await scrape.read_shared()
    if shared is None:
        return
    jobs, backlog = shared.jobs, shared.backlog
    emit(
        {
            "JobLag": ("Seconds", max((job.lag for job in jobs), default=0)),
            "MailOldest": ("Seconds", backlog.oldest),
        },
        {
            "mail": {"waiting": backlog.waiting, "dead": backlog.dead},
            "jobs": {
                job.job: {"state": job.state, "attempts": job.attempts, "dead": job.dead}
                for job in jobs
            },
        },
    )


def _is_whole(answer: list[Message]) -> bool:
    """Return whether the answer includes the last part of its body."""
    if not answer or answer[-1]["type"] != "http.response.body":
        return False
    return not answer[-1].get("more_body", False)


def _retrieve_exception(request: asyncio.Task[None]) -> None:
    """Retrieve the exception of a request, which is already logged: asyncio warns otherwise."""
    if not request.cancelled():
        request.exception()
