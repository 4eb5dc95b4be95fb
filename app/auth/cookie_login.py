"""`POST /auth/cookie/login` and `/auth/cookie/logout`: a session in a browser's cookie."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from app.auth.cookie import delete_cookie, set_cookie
from app.auth.csrf import require_own_page
from app.auth.guard import Guard
from app.auth.login_form import LOGIN, AuthenticatedUser
from app.auth.principal import Principal
from app.auth.transports import CookieReader
from app.http.answers import CSRF_FAILED, UNAUTHORIZED
from app.http.dependencies import ResourcesDep
from app.sessions.dependencies import SessionStoreDep
from app.users.dependencies import UserManagerDep

_COOKIE = CookieReader()
_SETS_COOKIE: dict[str, Any] = {
    "description": "The cookie is set, or deleted.",
    "headers": {"Set-Cookie": {"description": "RFC 6265.", "schema": {"type": "string"}}},
}


async def require_page(request: Request, resources: ResourcesDep) -> None:
    """Raise CSRFFailed for a form of another site: it would log its visitor in as somebody else."""
    require_own_page(request, resources.settings, request.method)


def cookie_router(guard: Guard) -> APIRouter:
    """Return the routes; `guard` is the one of logout."""
    router = APIRouter(tags=["auth"])
    login_answers = {204: _SETS_COOKIE, **LOGIN["responses"], 403: CSRF_FAILED}

    @router.post(
        "/login",
        name="auth:cookie.login",
        summary="Log in with a cookie",
        status_code=204,
        response_class=Response,
        responses=login_answers,
        dependencies=[*LOGIN["dependencies"], Depends(require_page)],
        openapi_extra=LOGIN["openapi_extra"],
    )
    async def cookie_login(
        request: Request,
        response: Response,
        user: AuthenticatedUser,
        manager: UserManagerDep,
        resources: ResourcesDep,
    ) -> None:
        """Open a session with an e-mail address and a password, and set the browser's cookie.

        The session of a cookie that the browser has already ends.
        """
        session = await manager.open_session(user, "cookie")
        settings = resources.settings
        replaced = _COOKIE.read(request, resources)
        replaced_id = _COOKIE.verify(resources, replaced) if replaced is not None else None
        if replaced_id is not None:
            await manager.sessions.revoke(replaced_id)
        token = manager.sessions.cookie_token(session)
        set_cookie(response, settings, token, settings.session_idle_seconds)

    @router.post(
        "/logout",
        name="auth:cookie.logout",
        summary="Log out, and delete the cookie",
        status_code=204,
        response_class=Response,
        responses={204: _SETS_COOKIE, 401: UNAUTHORIZED, 403: CSRF_FAILED},
    )
    async def cookie_logout(
        response: Response,
        principal: Annotated[Principal, Depends(guard)],
        sessions: SessionStoreDep,
        resources: ResourcesDep,
    ) -> None:
        """Revoke the session, which is invalid at once, and delete the browser's cookie."""
        await sessions.revoke(principal.session_id)
        delete_cookie(response, resources.settings)
        # Pages that the browser keeps for its back button go too.
        response.headers["Clear-Site-Data"] = '"cache"'

    return router
