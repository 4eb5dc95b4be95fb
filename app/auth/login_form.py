"""The form of a log-in, for every transport (RFC 6749, section 4.3.2), and its refusals."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, TypedDict

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordRequestForm
from fastapi_users.router.common import ErrorCode

from app.errors import APIError, GrantRefused, PasswordHashingBusy
from app.http.answers import token_refusal
from app.http.dependencies import ResourcesDep
from app.http.form_body import FORM, NO_FORM, require_form
from app.metrics.recorder import Recorder
from app.users.dependencies import UserManagerDep
from app.users.tables import User

_CODES = [ErrorCode.LOGIN_BAD_CREDENTIALS.value, ErrorCode.LOGIN_USER_NOT_VERIFIED.value]
_FIELDS = {"type": "array", "items": {"$ref": "#/components/schemas/ValidationError"}}
REFUSED = token_refusal(
    "LoginError", "Refused.", {"type": "string", "enum": _CODES}, _CODES[0], "invalid_grant"
)
INVALID = token_refusal(
    "LoginValidationError",
    "Invalid fields.",
    _FIELDS,
    [],
    "invalid_request",
    "unsupported_grant_type",
)
_EXAMPLE = {"username": "king@camelot.bt", "password": "excalibur"}
_OUTCOMES = {
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
        if error.code in _OUTCOMES:
            recorder.count_login(_OUTCOMES[error.code])
        raise
    recorder.count_login("success")


async def authenticate(
    form: OAuth2PasswordRequestForm, resources: ResourcesDep, manager: UserManagerDep
) -> User:
    """Return the account that a form's `username` and `password` name, locked until the commit.

    Raises GrantRefused, PasswordHashingBusy.
    """
    user = await manager.authenticate(form)
    if user is None or not user.is_active:
        raise GrantRefused(ErrorCode.LOGIN_BAD_CREDENTIALS, "The address or the password is wrong.")
    if resources.settings.require_verified and not user.is_verified:
        raise GrantRefused(ErrorCode.LOGIN_USER_NOT_VERIFIED, "The address is not verified.")
    return user


async def authenticate_form(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    resources: ResourcesDep,
    manager: UserManagerDep,
) -> User:
    """Return the account as `authenticate`."""
    return await authenticate(form, resources, manager)


AuthenticatedUser = Annotated[User, Depends(authenticate_form)]


class _Login(TypedDict):
    responses: dict[int | str, dict[str, Any]]
    dependencies: list[Any]
    openapi_extra: dict[str, Any]


LOGIN: _Login = {
    "responses": {400: REFUSED, 415: NO_FORM, 422: INVALID},
    # The first dependency is left last.
    "dependencies": [Depends(count_login, scope="function"), Depends(require_form)],
    "openapi_extra": {"requestBody": {"content": {FORM: {"example": _EXAMPLE}}}},
}
"""What the routes that log in have in common."""
