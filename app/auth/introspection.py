"""`POST /auth/introspect` and `/auth/revoke`: examine and revoke a token (RFC 7662, RFC 7009)."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form
from pydantic import BaseModel
from sqlalchemy import bindparam, select

from app import clock
from app.auth.guard import load_principal
from app.auth.login_form import INVALID
from app.auth.transports import BearerReader
from app.crypto.refresh_tokens import RefreshToken
from app.http.answers import NO_TOKEN_SET, WRONG_TOKEN
from app.http.bearer import BearerGuard
from app.http.dependencies import ResourcesDep
from app.http.form_body import NO_FORM, require_form
from app.resources import Resources
from app.sessions.dependencies import SessionStoreDep
from app.sessions.tables import UserSession
from app.users.tables import User

_BEARER = BearerReader()
_REFRESHABLE = (
    select(
        User.id,
        User.email,
        User.is_active,
        User.is_verified,
        UserSession.created_at,
        UserSession.refreshed_at,
        UserSession.expires_at,
    )
    .join(UserSession, UserSession.user_id == User.id)
    .where(
        UserSession.id == bindparam("session_id"),
        UserSession.refresh_counter <= bindparam("counter"),
        UserSession.expires_at > bindparam("now"),
    )
)


class InactiveToken(BaseModel):
    """The answer for any text that is not a valid token."""

    active: Literal[False] = False


class ActiveToken(BaseModel):
    """The answer for a valid token, of an account that may use it (RFC 7662, section 2.2)."""

    active: Literal[True] = True
    token_type: Literal["bearer", "refresh_token"]
    iss: str
    aud: str
    sub: UUID
    sid: UUID
    username: str
    iat: int
    exp: int


async def examine(token: str, resources: Resources) -> ActiveToken | InactiveToken:
    """Return what a token, access or refresh, stands for now."""
    refresh = resources.refresh_tokens.read(token)
    if refresh is not None:
        return await _examine_refresh_token(refresh, resources)
    claims = resources.access_tokens.verify(token)
    principal = await load_principal(resources, _BEARER, token) if claims is not None else None
    if claims is None or principal is None:
        return InactiveToken()
    if not _may_log_in(resources, principal.user.is_active, principal.user.is_verified):
        return InactiveToken()
    return ActiveToken(
        token_type="bearer",  # noqa: S106
        iss=claims["iss"],
        aud=claims["aud"],
        sub=principal.user.id,
        sid=principal.session_id,
        username=principal.user.email,
        iat=claims["iat"],
        exp=claims["exp"],
    )


async def _examine_refresh_token(
    token: RefreshToken, resources: Resources
) -> ActiveToken | InactiveToken:
    rows = await resources.database.read(
        _REFRESHABLE, session_id=token.session_id, counter=token.counter, now=clock.now()
    )
    if not rows:
        return InactiveToken()
    user_id, email, is_active, is_verified, created_at, refreshed_at, expires_at = rows[0]
    if not _may_log_in(resources, is_active, is_verified):
        return InactiveToken()
    return ActiveToken(
        token_type="refresh_token",  # noqa: S106
        iss=resources.access_tokens.issuer,
        aud=resources.access_tokens.issuer,
        sub=user_id,
        sid=token.session_id,
        username=email,
        iat=_numeric_date(refreshed_at or created_at),
        exp=_numeric_date(expires_at),
    )


def _may_log_in(resources: Resources, is_active: bool, is_verified: bool) -> bool:
    return is_active and (is_verified or not resources.settings.require_verified)


def _numeric_date(time: datetime) -> int:
    """Return seconds since 1970 in UTC (RFC 7519, section 2)."""
    return int(time.timestamp())


def introspection_router(service: BearerGuard) -> APIRouter:
    """Return the routes; `service` guards the introspection."""
    router = APIRouter(tags=["services"])

    @router.post(
        "/introspect",
        name="services:introspect",
        summary="Examine a token",
        responses={401: WRONG_TOKEN, 404: NO_TOKEN_SET, 415: NO_FORM, 422: INVALID},
        dependencies=[Depends(service), Depends(require_form)],
    )
    async def introspect(
        token: Annotated[str, Form()], resources: ResourcesDep
    ) -> ActiveToken | InactiveToken:
        """Tell another service whether an access or refresh token is valid, and whose it is."""
        return await examine(token, resources)

    @router.post(
        "/revoke",
        name="services:revoke",
        summary="Revoke a token",
        responses={415: NO_FORM, 422: INVALID},
        dependencies=[Depends(require_form)],
    )
    async def revoke(
        token: Annotated[str, Form()], resources: ResourcesDep, sessions: SessionStoreDep
    ) -> None:
        """End the session of an access or refresh token; any other text changes nothing.

        Whoever has the token may end its session: no other credential is needed.
        """
        refresh = resources.refresh_tokens.read(token)
        session_id = refresh.session_id if refresh else _BEARER.verify(resources, token)
        if session_id is not None:
            await sessions.revoke(session_id)

    return router
