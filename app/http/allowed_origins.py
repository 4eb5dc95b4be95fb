"""The middleware that lets browser applications on other origins read answers (CORS)."""

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

PREFLIGHT_SECONDS = 600

_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
# Others than these a script on another origin cannot read.
_EXPOSED = ("Idempotent-Replayed", "Retry-After", "WWW-Authenticate", "X-Request-ID")


class AllowedOriginsMiddleware(CORSMiddleware):
    """Answers preflight requests, and adds the CORS headers to every other answer.

    `origins`: exact, as browsers send them. Any header may be sent: tracing adds its own.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=["*"],
            allow_credentials=True,
            expose_headers=_EXPOSED,
            max_age=PREFLIGHT_SECONDS,
        )
