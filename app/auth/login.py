"""`POST /auth/jwt/login` and `/auth/jwt/logout`: open and revoke a session."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from fastapi.security import OAuth2PasswordRequestForm
from fastapi_users.router.common import ErrorCode, ErrorModel
from pydantic import BaseModel, Field

from app.auth.guard import UNAUTHORIZED, Guard
from app.auth.principal import Principal
from app.errors import BadRequest
from app.http.dependencies import ResourcesDep
from app.http.form_body import require_form
from app.sessions.dependencies import SessionStoreDep
from app.users.dependencies import UserManagerDep


class AccessToken(BaseModel):
    """The answer to a log-in (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds until the token expires.")


def login_router(guard: Guard) -> APIRouter:
    """Return the routes; `guard` is the one of logout."""
    router = APIRouter(tags=["auth"])

    @router.post(
        "/login",
        name="auth:jwt.login",
        summary="Log in",
        responses={
            400: {"model": ErrorModel},
            415: {"model": ErrorModel, "description": "The body is no form: Accept."},
        },
        dependencies=[Depends(require_form)],
    )
    async def login(
        form: Annotated[OAuth2PasswordRequestForm, Depends()],
        resources: ResourcesDep,
        manager: UserManagerDep,
    ) -> AccessToken:
        """Open a session with an e-mail address (`username`) and a password."""
        user = await manager.authenticate(form)
        if user is None or not user.is_active:
            raise BadRequest(ErrorCode.LOGIN_BAD_CREDENTIALS)
        if resources.settings.require_verified and not user.is_verified:
            raise BadRequest(ErrorCode.LOGIN_USER_NOT_VERIFIED)
        opened = await manager.sessions.open(user.id)
        return AccessToken(access_token=opened.access_token, expires_in=manager.sessions.lifetime)

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
