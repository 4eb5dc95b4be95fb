"""The guard of routes for machines: a bearer token from the settings."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from app.errors import NotFound, Unauthorized
from app.http.dependencies import ResourcesDep
from app.settings.model import Settings

BearerGuard: TypeAlias = Callable[..., Awaitable[None]]

INTERNAL_REQUEST = "keystead.internal_request"
"""The key of an ASGI scope that this process made itself: it needs no token."""


def require_bearer_token(scheme: str, tokens: Callable[[Settings], list[SecretStr]]) -> BearerGuard:
    """Return a dependency that requires one of `tokens` as bearer token (RFC 6750, section 2.1).

    `scheme`: its name in OpenAPI. The dependency raises Unauthorized, and NotFound if the setting
    is empty.
    """
    bearer = HTTPBearer(scheme_name=scheme, auto_error=False)

    async def guard(
        request: Request,
        resources: ResourcesDep,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> None:
        if INTERNAL_REQUEST in request.scope:
            return
        accepted = tokens(resources.settings)
        if not accepted:
            raise NotFound
        if credentials is None:
            raise Unauthorized
        given = credentials.credentials.encode()
        # Compared with each, so that the time does not tell which one matched.
        matches = [hmac.compare_digest(given, one.get_secret_value().encode()) for one in accepted]
        if not any(matches):
            raise Unauthorized("The token is wrong")

    return guard
