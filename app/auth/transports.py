"""The ways that a request carries a session token."""

from collections.abc import Sequence
from typing import Protocol

from fastapi import Request
from fastapi.security.utils import get_authorization_scheme_param

from app.sessions.store import AUDIENCE


class CredentialReader(Protocol):
    """Finds a session token in a request: in a header, in a cookie."""

    audience: str
    """The audience of the tokens that come this way."""

    def read(self, request: Request) -> str | None:
        """Return the token, which is not empty, or None if the request has none of this kind."""


class BearerReader:
    """The `Authorization` header (RFC 6750, section 2.1)."""

    audience = AUDIENCE

    def read(self, request: Request) -> str | None:
        scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
        return token or None if scheme.lower() == "bearer" else None


READERS: Sequence[CredentialReader] = (BearerReader(),)
"""Asked in order; the first that finds a token decides."""
