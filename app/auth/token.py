"""`POST /auth/token`: log-in and refresh at the one address that OAuth clients are configured with.

The token endpoint of RFC 6749, section 3.2.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import OAuth2PasswordRequestForm

from app.auth.login import AccessToken
from app.auth.login_form import INVALID, REFUSED, authenticate, count_login
from app.auth.refresh import REFRESH_REFUSED, exchange
from app.http.dependencies import ActorDep, ResourcesDep, SessionDep
from app.http.form_body import NO_FORM, require_form
from app.users.dependencies import UserManagerDep

Text = Annotated[str | None, Form()]


class TokenForm:
    """The fields of a token request: `username` and `password`, or `refresh_token`."""

    def __init__(
        self,
        grant_type: Annotated[Literal["password", "refresh_token"], Form()],
        username: Text = None,
        password: Text = None,
        refresh_token: Text = None,
        client_id: Text = None,
        scope: Text = None,
    ) -> None:
        self.grant_type = grant_type
        self._fields = {"username": username, "password": password, "refresh_token": refresh_token}

    def require(self, name: str) -> str:
        """Return a field. Raises RequestValidationError if it was not sent."""
        value = self._fields[name]
        if value is None:
            missing = {"type": "missing", "loc": ("body", name), "msg": "Field required"}
            raise RequestValidationError([{**missing, "input": None}])
        return value


TokenFormDep = Annotated[TokenForm, Depends()]


async def count_password_grant(request: Request) -> AsyncIterator[None]:
    """Count the request if it is a log-in."""
    # A second TokenForm would report each invalid field twice.
    is_login = (await request.form()).get("grant_type") == "password"
    async with asynccontextmanager(count_login)(request) if is_login else nullcontext():
        yield


router = APIRouter(tags=["auth"])


@router.post(
    "/token",
    name="auth:token",
    summary="Get tokens as an OAuth client",
    responses={400: REFUSED, 401: REFRESH_REFUSED, 415: NO_FORM, 422: INVALID},
    dependencies=[Depends(count_password_grant, scope="function"), Depends(require_form)],
)
async def grant_token(
    response: Response,
    form: TokenFormDep,
    session: SessionDep,
    resources: ResourcesDep,
    actor: ActorDep,
    manager: UserManagerDep,
) -> AccessToken:
    """Log in with `grant_type=password`, or refresh with `grant_type=refresh_token`."""
    if form.grant_type == "refresh_token":
        tokens = await exchange(form.require("refresh_token"), session, resources, actor)
        return AccessToken.of(tokens, response)
    credentials = OAuth2PasswordRequestForm(
        username=form.require("username"), password=form.require("password")
    )
    user = await authenticate(credentials, resources, manager)
    opened = await manager.open_session(user)
    return AccessToken.of(manager.sessions.tokens(opened), response)
