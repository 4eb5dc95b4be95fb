"""The ways that a request carries the token of a session."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from fastapi import Request
from fastapi.security.utils import get_authorization_scheme_param

from app.auth.cookie import read_cookie
from app.resources import Resources
from app.sessions.store import COOKIE, LEGACY


class CredentialReader(Protocol):
    """Finds the token of a session in a request, and verifies it."""

    is_ambient: bool
    """Whether a browser adds the token by itself, also to requests that other sites cause."""

    def read(self, request: Request, resources: Resources) -> str | None:
        """Return the token, which is not empty, or None if the request has none of this kind."""

    def verify(self, resources: Resources, token: str) -> UUID | None:
        """Return the id of the session that a valid token names, or None."""

    def expired_at(self, resources: Resources, token: str) -> datetime | None:
        """Return when a token expired (UTC), or None if it is invalid or has not."""


class BearerReader:
    """An access token in the `Authorization` header (RFC 6750, section 2.1)."""

    is_ambient = False

    def read(self, request: Request, resources: Resources) -> str | None:
        scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
        return token or None if scheme.lower() == "bearer" else None

    def verify(self, resources: Resources, token: str) -> UUID | None:
        claims = resources.access_tokens.verify(token)
        if claims is not None:
            return UUID(claims["sid"])
        legacy = resources.signer.verify(LEGACY, token)
        return UUID(legacy["jti"]) if legacy is not None else None

    def expired_at(self, resources: Resources, token: str) -> datetime | None:
        expired = resources.access_tokens.expired_at(token)
        return expired or resources.signer.expired_at(LEGACY, token)


class CookieReader:
    """The session's cookie."""

    is_ambient = True

    def read(self, request: Request, resources: Resources) -> str | None:
        return read_cookie(request, resources.settings)

    def verify(self, resources: Resources, token: str) -> UUID | None:
        claims = resources.signer.verify(COOKIE, token)
        return UUID(claims["jti"]) if claims is not None else None

    def expired_at(self, resources: Resources, token: str) -> datetime | None:
        return resources.signer.expired_at(COOKIE, token)


READERS: Sequence[CredentialReader] = (BearerReader(), CookieReader())
"""Asked in order; the first that finds a token decides."""
