"""Guards of what machines ask for: a route that wants a token from the settings."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from app.errors import NotFound, Unauthorized
from app.services import ServicesDep
from app.settings import Settings

TRUSTED = "keystead.trusted"
"""The key of an ASGI scope that no HTTP request made: whoever runs the process let it in."""


def needs_token(
    scheme: str, tokens: Callable[[Settings], list[SecretStr]]
) -> Callable[..., Awaitable[None]]:
    """Return a dependency that lets nobody in but who sends one of `tokens` (RFC 6750, 2.1).

    `scheme`: its name in the schema. Raises Unauthorized; NotFound where no token is set.
    """
    bearer = HTTPBearer(scheme_name=scheme, auto_error=False)

    async def guard(
        request: Request,
        services: ServicesDep,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> None:
        if TRUSTED in request.scope:
            return
        accepted = tokens(services.settings)
        if not accepted:
            raise NotFound
        given = (credentials.credentials if credentials else "").encode()
        # All of them, so that the time tells nothing of which it was.
        right = [hmac.compare_digest(given, one.get_secret_value().encode()) for one in accepted]
        if not any(right):
            raise Unauthorized

    return guard
