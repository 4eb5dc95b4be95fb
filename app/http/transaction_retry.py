"""The middleware that retries requests whose transaction lost against another."""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.database.errors import TransactionConflict
from app.database.retry import retry_on_conflict
from app.errors import DatabaseUnavailable
from app.http.error_handlers import error_response
from app.http.route_templates import note_route

log = structlog.get_logger()


class TransactionRetryMiddleware:
    """Runs a request again from its start after a TransactionConflict.

    The first try leaves nothing behind: the answer starts after the commit, and so does mail. It
    belongs inside BodyLimitMiddleware, which makes a body one message that can be sent again.
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
        except TransactionConflict as conflict:
            log.error("database unavailable", error=str(conflict))
            await error_response(DatabaseUnavailable())(scope, receive, send)

    @retry_on_conflict
    async def _run(
        self, scope: Scope, received: list[Message], receive: Receive, send: Send
    ) -> None:
        replayed = received.copy()

        async def replay() -> Message:
            if replayed:
                return replayed.pop(0)
            received.append(await receive())
            return received[-1]

        # Routing changes the scope.
        tried = dict(scope)
        try:
            await self.app(tried, replay, send)
        finally:
            note_route(scope, tried)
