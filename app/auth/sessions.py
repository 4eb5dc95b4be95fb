"""`/users/me/sessions` and `/users/{id}/sessions`: where an account is logged in."""

from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from app.auth.guard import Guard
from app.auth.principal import Principal
from app.errors import NotFound
from app.http.answers import UNAUTHORIZED, not_found
from app.http.dependencies import parse_id
from app.sessions.dependencies import SessionStoreDep
from app.sessions.devices import name_devices
from app.sessions.store import SessionStore
from app.sessions.tables import Transport, UserSession
from app.users.admin import UserDep

PAGE_MAX = 100


class SessionRead(BaseModel):
    """A session, as its owner sees it. Times are UTC."""

    id: UUID
    created_at: datetime
    last_seen_at: datetime | None = Field(description="At most five minutes old.")
    expires_at: datetime = Field(description="The end, unless the session is used before.")
    ip: str | None = Field(description="The client's address at log-in or the last refresh.")
    device: str | None = Field(description="By its User-Agent header: `Firefox on Linux`.")
    transport: Transport
    current: bool = Field(description="Whether this request belongs to it.")


class SessionPage(BaseModel):
    """Sessions, newest first; `next` is the cursor of the next page, or null."""

    items: list[SessionRead]
    next: UUID | None


Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
After = Annotated[UUID | None, Query(description="A page's `next`.")]
_MISSING = not_found("The account has no such session.")
_NO_ACCOUNT = not_found("The account does not exist.")


async def _page(
    sessions: SessionStore,
    user_id: UUID,
    limit: int,
    after: UUID | None,
    current_id: UUID,
) -> SessionPage:
    found, cursor = await sessions.page(user_id, limit, after)
    devices = await name_devices(one.user_agent for one in found if one.user_agent)
    items = [_read(one, devices, current_id) for one in found]
    return SessionPage(items=items, next=cursor)


def _read(session: UserSession, devices: dict[str, str], current_id: UUID) -> SessionRead:
    return SessionRead(
        id=session.id,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        expires_at=session.expires_at,
        ip=session.ip,
        device=devices.get(session.user_agent or ""),
        transport=cast("Transport", session.transport),
        current=session.id == current_id,
    )


def own_sessions_router(guard: Guard) -> APIRouter:
    """Return the routes of `/users/me/sessions`, behind `guard`."""
    router = APIRouter(prefix="/users/me/sessions", tags=["users"])
    PrincipalDep = Annotated[Principal, Depends(guard)]  # noqa: N806, a type

    @router.get(
        "",
        name="users:sessions",
        summary="List the own sessions",
        responses={401: UNAUTHORIZED},
    )
    async def list_my_sessions(
        principal: PrincipalDep, sessions: SessionStoreDep, limit: Limit = 50, after: After = None
    ) -> SessionPage:
        """Where the account is logged in, newest first.

        Pass `next` as `after` for the next page.
        """
        return await _page(sessions, principal.user.id, limit, after, principal.session_id)

    @router.delete(
        "",
        name="users:end_sessions",
        summary="End all other own sessions",
        status_code=204,
        response_class=Response,
        responses={401: UNAUTHORIZED},
    )
    async def end_my_other_sessions(principal: PrincipalDep, sessions: SessionStoreDep) -> None:
        """End the account's sessions, except the one of this request."""
        await sessions.revoke_all(principal.user.id, except_id=principal.session_id)

    @router.delete(
        "/{session_id}",
        name="users:end_session",
        summary="End an own session",
        status_code=204,
        response_class=Response,
        responses={401: UNAUTHORIZED, 404: _MISSING},
    )
    async def end_my_session(
        principal: PrincipalDep, session_id: str, sessions: SessionStoreDep
    ) -> None:
        """End one of the account's sessions, whose tokens are invalid at once."""
        wanted = parse_id(session_id)
        if wanted is None or not await sessions.revoke_of(principal.user.id, wanted):
            raise NotFound

    return router


def user_sessions_router(guard: Guard) -> APIRouter:
    """Return the routes of `/users/{id}/sessions`, behind the superusers' `guard`."""
    router = APIRouter(prefix="/users/{id}/sessions", tags=["users"])

    @router.get(
        "",
        name="users:sessions_of_user",
        summary="List an account's sessions",
        responses={404: _NO_ACCOUNT},
    )
    async def list_user_sessions(
        principal: Annotated[Principal, Depends(guard)],
        user: UserDep,
        sessions: SessionStoreDep,
        limit: Limit = 50,
        after: After = None,
    ) -> SessionPage:
        """Where an account is logged in, newest first."""
        return await _page(sessions, user.id, limit, after, principal.session_id)

    @router.delete(
        "",
        name="users:end_sessions_of_user",
        summary="End an account's sessions",
        status_code=204,
        response_class=Response,
        responses={404: _NO_ACCOUNT},
    )
    async def end_user_sessions(user: UserDep, sessions: SessionStoreDep) -> None:
        """End all sessions of an account."""
        await sessions.revoke_all(user.id)

    return router
