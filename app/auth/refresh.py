"""`POST /auth/jwt/refresh`: exchanges a refresh token (RFC 6749, section 6; RFC 9700, 4.14.2)."""

import json
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.actor import Actor
from app.audit.record import record
from app.auth.login import AccessToken
from app.auth.login_form import INVALID
from app.errors import RefreshTokenInvalid, RefreshTokenReused, UnsupportedMediaType
from app.http.answers import CHALLENGE, token_refusal
from app.http.dependencies import ActorDep, ResourcesDep, SessionDep
from app.http.form_body import FORMS, NO_FORM, is_form
from app.http.json_body import is_json
from app.resources import Resources
from app.sessions.store import SessionStore, SessionTokens
from app.sessions.tables import UserSession
from app.users.database import UserDatabase

REPEAT_WINDOW = timedelta(seconds=30)
"""For so long a refresh can be repeated: two tabs refreshed at once, or an answer was lost."""
CLOCK_TOLERANCE = timedelta(seconds=5)
"""What the clocks of two hosts may differ by."""

REFRESH_REFUSED = token_refusal(
    "RefreshError",
    "The token is not valid, or was used before, which ends its session.",
    {"type": "string", "enum": [RefreshTokenInvalid.code, RefreshTokenReused.code]},
    RefreshTokenInvalid.code,
    "invalid_grant",
    headers=CHALLENGE,
)
_JSON = "application/json"
_EXAMPLE = {"refresh_token": "kr_…"}


class RefreshBody(BaseModel):
    """A refresh token, as a client sends it in JSON."""

    refresh_token: str


class RefreshForm(RefreshBody):
    """The same as a form."""

    grant_type: Literal["refresh_token"]


async def read_refresh_token(request: Request) -> str:
    """Return the refresh token of a request's body, JSON or a form.

    Raises RequestValidationError, UnsupportedMediaType.
    """
    kind = request.headers.get("Content-Type")
    fields: Any
    try:
        if is_json(kind):
            body = await request.body()
            return RefreshBody.model_validate(json.loads(body) if body else {}).refresh_token
        if not is_form(kind):
            raise UnsupportedMediaType(_JSON, *FORMS)
        async with request.form() as fields:
            return RefreshForm.model_validate(dict(fields)).refresh_token
    except ValidationError as invalid:
        # Without the input: it can hold the token, and clients log answers that they do not know.
        errors = [{**one, "loc": ("body", *one["loc"]), "input": None} for one in invalid.errors()]
        raise RequestValidationError(errors) from None


async def exchange(
    token: str, transaction: AsyncSession, resources: Resources, actor: Actor
) -> SessionTokens:
    """Return new tokens for a refresh token, which becomes invalid.

    The token that was exchanged last gets the same successor within REPEAT_WINDOW. An older one, or
    that one later, was stolen, or its owner was late after a thief: the session ends. Raises
    RefreshTokenInvalid, RefreshTokenReused.
    """
    read = resources.refresh_tokens.read(token)
    if read is None:
        raise RefreshTokenInvalid
    sessions = SessionStore(transaction, resources)
    session = await sessions.get_locked(read.session_id)
    if session is None:
        raise RefreshTokenInvalid
    user = await UserDatabase(transaction).get(session.user_id)
    if user is None or not user.is_active:
        raise RefreshTokenInvalid
    if resources.settings.require_verified and not user.is_verified:
        raise RefreshTokenInvalid
    if read.counter >= session.refresh_counter:
        # Greater only if the database has lost the last commits, or was restored from a backup.
        sessions.refresh(session, read.counter + 1, actor)
        # The limit of a session's age can have been lowered since it was prolonged.
        if session.expires_at <= clock.now():
            raise RefreshTokenInvalid
    elif not _is_repeat(session, read.counter):
        await sessions.revoke(session.id)
        record(
            transaction,
            "session.refresh_token_reused",
            actor,
            subject_id=session.user_id,
            session_id=session.id,
        )
        raise RefreshTokenReused
    return sessions.tokens(session)


def _is_repeat(session: UserSession, counter: int) -> bool:
    """Return whether the token of `counter` was exchanged last, and just now."""
    if counter != session.refresh_counter - 1 or session.refreshed_at is None:
        return False
    return clock.now() - session.refreshed_at <= REPEAT_WINDOW + CLOCK_TOLERANCE


router = APIRouter(tags=["auth"])


@router.post(
    "/refresh",
    name="auth:jwt.refresh",
    summary="Get the next access token",
    responses={401: REFRESH_REFUSED, 415: NO_FORM, 422: INVALID},
    # JSON alone, as openapi-python-client's module for a body of two types cannot be imported (its
    # issue 1451). /auth/token documents the form.
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {_JSON: {"schema": RefreshBody.model_json_schema(), "example": _EXAMPLE}},
        }
    },
)
async def refresh(
    response: Response,
    token: Annotated[str, Depends(read_refresh_token)],
    session: SessionDep,
    resources: ResourcesDep,
    actor: ActorDep,
) -> AccessToken:
    """Exchange a refresh token for an access token and the next refresh token.

    A refresh whose answer was lost can be repeated for 30 seconds. Later, a used token ends the
    session.
    """
    return AccessToken.of(await exchange(token, session, resources, actor), response)
