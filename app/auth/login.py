"""`POST /auth/jwt/login` and `/auth/jwt/logout`: open and revoke a session."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from app.auth.guard import Guard
from app.auth.login_form import LOGIN, AuthenticatedUser
from app.auth.principal import Principal
from app.http.answers import UNAUTHORIZED
from app.sessions.dependencies import SessionStoreDep
from app.sessions.store import SessionTokens
from app.users.dependencies import UserManagerDep


class AccessToken(BaseModel):
    """The answer to a log-in or a refresh (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds until the access token expires.")
    refresh_token: str = Field(description="Gets the next access token, once.")
    refresh_expires_in: int = Field(
        description="Seconds until the session ends, unless it is refreshed before."
    )

    @classmethod
    def of(cls, tokens: SessionTokens, response: Response) -> Self:
        """Return the answer with a session's tokens, and let `response` not be stored."""
        response.headers["Pragma"] = "no-cache"  # RFC 6749, section 5.1
        return cls(**tokens._asdict())


def login_router(guard: Guard) -> APIRouter:
    """Return the routes; `guard` is the one of logout."""
    router = APIRouter(tags=["auth"])

    @router.post("/login", name="auth:jwt.login", summary="Log in", **LOGIN)
    async def login(
        response: Response, user: AuthenticatedUser, manager: UserManagerDep
    ) -> AccessToken:
        """Open a session with an e-mail address (`username`) and a password."""
        session = await manager.open_session(user)
        return AccessToken.of(manager.sessions.tokens(session), response)

    @router.post(
        "/logout",
        name="auth:jwt.logout",
        summary="Log out",
        status_code=204,
        response_class=Response,
        responses={401: UNAUTHORIZED},
    )
    async def logout(
        principal: Annotated[Principal, Depends(guard)], sessions: SessionStoreDep
    ) -> None:
        """Revoke the session of the token, which is invalid at once."""
        await sessions.revoke(principal.session_id)

    return router
