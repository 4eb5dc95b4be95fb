"""Notes that a session was used, after the answer: who-am-I stays one statement."""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth.cookie import set_cookie
from app.crypto.token_reader import Claims
from app.database.errors import TransactionConflict
from app.errors import APIError
from app.resources import Resources
from app.sessions.store import COOKIE, SessionStore

log = structlog.get_logger()

SEEN = "seen"
"""The member of `request.state` with the Sighting that a guard leaves."""


class Sighting(NamedTuple):
    """A session whose use has to be noted."""

    session_id: UUID
    cookie: Claims | None
    """The claims of its cookie, which the browser is to keep longer; None if it came without."""


class LastSeenMiddleware:
    """Notes a Sighting in a transaction of its own, and lets the browser keep the cookie longer.

    At most once in five minutes a session. On Lambda the answer waits for it: a frozen process
    would not come back to it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        # The ids of the sessions whose use is being noted.
        self._noting: set[UUID] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_cookie(message: Message) -> None:
            sighting = scope["state"].get(SEEN)
            if message["type"] == "http.response.start" and sighting is not None:
                _renew_cookie(message, scope["state"]["resources"], sighting)
            await send(message)

        await self.app(scope, receive, send_with_cookie)
        sighting = scope["state"].get(SEEN)
        if sighting is not None and self._may_note(scope["state"]["resources"], sighting):
            self._noting.add(sighting.session_id)
            try:
                await _note(scope["state"]["resources"], sighting)
            finally:
                self._noting.remove(sighting.session_id)

    def _may_note(self, resources: Resources, sighting: Sighting) -> bool:
        """Return whether a connection may wait for the session's lock.

        One for each session, and a quarter of all: readers need the others. The session's next
        request notes it.
        """
        at_once = max(1, resources.settings.database_connections // 4)
        return sighting.session_id not in self._noting and len(self._noting) < at_once


def _renew_cookie(message: Message, resources: Resources, sighting: Sighting) -> None:
    """Add the cookie to an answer that sets none."""
    headers, claims = message["headers"], sighting.cookie
    if claims is None or any(name == b"set-cookie" for name, _ in headers):
        return
    # Signed again: after a rotation, by the key that stays.
    ends_at = datetime.fromtimestamp(claims["exp"], UTC)
    token = resources.signer.sign(COOKIE, ends_at, sub=claims["sub"], jti=claims["jti"])
    renewal = Response()
    set_cookie(renewal, resources.settings, token, resources.settings.session_idle_seconds)
    message["headers"] = [
        *headers,
        *(one for one in renewal.raw_headers if one[0] == b"set-cookie"),
    ]


async def _note(resources: Resources, sighting: Sighting) -> None:
    try:
        async with resources.database.transaction() as session:
            await SessionStore(session, resources).see(sighting.session_id)
    except (APIError, TransactionConflict) as error:
        # The next request notes it.
        log.info("session's use not noted", reason=str(error))
