"""Every router, with its prefix and its guard."""

from typing import Any

from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles

from app import health, scrape
from app.auth import discovery, refresh, reset, token, verify
from app.auth.cookie_login import cookie_router
from app.auth.forward import forward_router, original_method
from app.auth.guard import Guard
from app.auth.introspection import introspection_router
from app.auth.login import login_router
from app.auth.me import me_router
from app.auth.sessions import own_sessions_router, user_sessions_router
from app.http.answers import FORBIDDEN, UNAUTHORIZED
from app.http.bearer import require_bearer_token
from app.pages import routes as pages
from app.settings.model import Settings
from app.tick import admin as ticks
from app.tick import routes as tick
from app.users import admin, registration

_SUPERUSER_ANSWERS: dict[int | str, dict[str, Any]] = {401: UNAUTHORIZED, 403: FORBIDDEN}


def add_routes(app: FastAPI, settings: Settings) -> None:
    """Mount every route with its guard."""
    authenticated = Guard(verified=settings.require_verified)
    superuser = Guard(verified=settings.require_verified, superuser=True)
    forwarded = Guard(verified=settings.require_verified, method=original_method)
    scheduler = require_bearer_token("TickToken", lambda settings: settings.tick_token)
    service = require_bearer_token("ServiceToken", lambda settings: settings.service_token)
    prometheus = require_bearer_token("MetricsToken", lambda settings: settings.metrics_token)

    # Registered on the app itself: an included router is matched twice, and GET /users/me serves
    # most requests.
    app.router.routes.extend(me_router(authenticated).routes)
    app.include_router(own_sessions_router(authenticated))
    app.include_router(login_router(authenticated), prefix="/auth/jwt")
    app.include_router(refresh.router, prefix="/auth/jwt")
    app.include_router(cookie_router(authenticated), prefix="/auth/cookie")
    app.include_router(forward_router(forwarded), prefix="/auth")
    app.include_router(introspection_router(service), prefix="/auth")
    for public in (registration.router, verify.router, reset.router, token.router):
        app.include_router(public, prefix="/auth")
    app.include_router(discovery.router)
    for guarded in (admin.router, ticks.router, user_sessions_router(superuser)):
        app.include_router(guarded, dependencies=[Depends(superuser)], responses=_SUPERUSER_ANSWERS)
    app.include_router(tick.router, dependencies=[Depends(scheduler)])
    app.include_router(scrape.router, dependencies=[Depends(prometheus)])
    app.include_router(health.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(packages=[("app.pages", "static")]))
    app.mount("/swagger", StaticFiles(packages=[("fastapi_swagger", "resources")]))
