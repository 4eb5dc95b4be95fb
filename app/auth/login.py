"""`POST /auth/jwt/login` and `/auth/jwt/logout`: open and revoke a session."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import OAuth2PasswordRequestForm
from fastapi_users.router.common import ErrorCode
from pydantic import BaseModel, Field

from app.auth.guard import Guard
from app.auth.principal import Principal
from app.errors import APIError, GrantRefused, PasswordHashingBusy, UnsupportedMediaType
from app.http.answers import UNAUTHORIZED, Answer, Schema, answer
from app.http.dependencies import ResourcesDep
from app.http.form_body import require_form
from app.metrics.recorder import Recorder
from app.sessions.dependencies import SessionStoreDep
from app.users.dependencies import UserManagerDep


class AccessToken(BaseModel):
    """The answer to a log-in (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds until the token expires.")


def _refusal(name: str, description: str, detail: Schema, example: Any, *errors: str) -> Answer:
    """Return an error with RFC 6749's members (section 5.2)."""
    members: dict[str, tuple[Schema, Any]] = {
        "error": ({"type": "string", "enum": list(errors)}, errors[0]),
        "error_description": ({"type": "string"}, "For people."),
    }
    return answer(name, description, detail, example, members=members)


_CODES = [ErrorCode.LOGIN_BAD_CREDENTIALS, ErrorCode.LOGIN_USER_NOT_VERIFIED]
_REFUSED = _refusal(
    "LoginError", "Refused.", {"type": "string", "enum": _CODES}, _CODES[0], "invalid_grant"
)
FORM = "application/x-www-form-urlencoded"
_FORM = {"username": "king@camelot.bt", "password": "excalibur"}
_NO_FORM = _refusal(
    "LoginMediaTypeError",
    "The body is no form, or the content type is too long.",
    {
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "code": {"type": "string", "enum": [UnsupportedMediaType.code]},
                    "reason": {"type": "string"},
                },
                "required": ["code", "reason"],
            },
            {"type": "string", "enum": ["Unsupported Media Type"]},
        ]
    },
    {"code": UnsupportedMediaType.code, "reason": f"Send the body as {FORM}"},
    "invalid_request",
)
_FIELDS = {"type": "array", "items": {"$ref": "#/components/schemas/ValidationError"}}
_INVALID = _refusal(
    "LoginValidationError",
    "Invalid fields.",
    _FIELDS,
    [],
    "invalid_request",
    "unsupported_grant_type",
)
_REFUSALS = {
    ErrorCode.LOGIN_BAD_CREDENTIALS.value: "bad_credentials",
    ErrorCode.LOGIN_USER_NOT_VERIFIED.value: "not_verified",
    PasswordHashingBusy.code: "busy",
}


async def count_login(request: Request) -> AsyncIterator[None]:
    """Count the log-in by its outcome, after its transaction: one that is retried counts once.

    A log-in that the database could not decide is only a request with the status 503.
    """
    recorder: Recorder = request.state.recorder
    try:
        yield
    except APIError as error:
        if error.code in _REFUSALS:
            recorder.count_login(_REFUSALS[error.code])
        raise
    recorder.count_login("success")


def login_router(guard: Guard) -> APIRouter:
    """Return the routes; `guard` is the one of logout."""
    router = APIRouter(tags=["auth"])

    @router.post(
        "/login",
        name="auth:jwt.login",
        summary="Log in",
        responses={400: _REFUSED, 415: _NO_FORM, 422: _INVALID},
        # The first dependency is left last.
        dependencies=[Depends(count_login, scope="function"), Depends(require_form)],
        openapi_extra={"requestBody": {"content": {FORM: {"example": _FORM}}}},
    )
    async def login(
        response: Response,
        form: Annotated[OAuth2PasswordRequestForm, Depends()],
        resources: ResourcesDep,
        manager: UserManagerDep,
    ) -> AccessToken:
        """Open a session with an e-mail address (`username`) and a password."""
        user = await manager.authenticate(form)
        if user is None or not user.is_active:
            raise GrantRefused(
                ErrorCode.LOGIN_BAD_CREDENTIALS, "The address or the password is wrong."
            )
        if resources.settings.require_verified and not user.is_verified:
            raise GrantRefused(ErrorCode.LOGIN_USER_NOT_VERIFIED, "The address is not verified.")
        response.headers["Pragma"] = "no-cache"  # RFC 6749, section 5.1
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
