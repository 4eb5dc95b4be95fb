"""The application: middleware, every route with its guard, start and stop."""

import gc

# What importing makes is here to stay: looking for garbage meanwhile takes a tenth of the time.
gc.disable()

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import Any

import structlog
from aiolimiter import AsyncLimiter
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from fastapi_users.router import get_auth_router, get_register_router, get_users_router
from starlette.routing import BaseRoute

from app import health, schema
from app.errors import install_handlers
from app.jobs import JOBS, deliver_mail
from app.logs import configure_logging
from app.mail.courier import courier
from app.pages import routes as pages
from app.services import open_services
from app.sessions.auth import backend, get_user_manager, guards
from app.sessions.guard import Guard
from app.sessions.routes import WHO_AM_I, who_am_i
from app.settings import Settings
from app.tick import admin as ticks
from app.tick import metrics
from app.tick import routes as tick
from app.tick.loop import local_loop
from app.tick.runner import Runner
from app.tokens import needs_token
from app.users import admin
from app.users.routes import auth_router
from app.users.schemas import UserCreate, UserRead, UserUpdate
from app.web import Bodies, Replay, RequestLog, SecurityHeaders

log = structlog.get_logger()

# Where OpenTelemetry's SDK is not installed, FastAPI would look for it at each request.
_TRACED = find_spec("opentelemetry.sdk") is not None

_SUMMARIES = {
    "auth:jwt.login": "Log in",
    "auth:jwt.logout": "Log out",
    "register:register": "Make an account",
    "users:patch_current_user": "Change yourself",
    "users:user": "See an account",
    "users:patch_user": "Change an account",
    "users:delete_user": "Delete an account",
}


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application for `settings` (default: the environment's). Does nothing else yet."""
    settings = settings or Settings()
    app = FastAPI(
        title="Keystead",
        description="Accounts, sessions and scheduled work.",
        lifespan=_lifespan(settings),
        # The original notes' PowerShell commands send JSON without saying so.
        strict_content_type=False,
        docs_url=None,
        redoc_url=None,
        telemetry=None if _TRACED else {"tracing": False, "metrics": False, "logs": False},
    )
    app.add_middleware(Replay)
    app.add_middleware(Bodies, limit=settings.body_limit_bytes)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestLog)
    install_handlers(app)
    _add_routes(app, settings)
    return app


def _add_routes(app: FastAPI, settings: Settings) -> None:
    """Mount every route with its guard. fastapi-users' routers ask for theirs."""
    verified = settings.require_verified
    superuser = Depends(Guard(verified=verified, superuser=True))
    scheduler = Depends(needs_token("TickToken", lambda settings: settings.tick_token))
    prometheus = Depends(needs_token("MetricsToken", lambda settings: settings.metrics_token))
    login = get_auth_router(backend, get_user_manager, guards, verified)
    register = get_register_router(get_user_manager, UserRead, UserCreate)
    users = get_users_router(get_user_manager, UserRead, UserUpdate, guards, verified)

    users.routes[:] = [route for route in users.routes if getattr(route, "name", "") != WHO_AM_I]

    _describe([*login.routes, *register.routes, *users.routes])
    # First and in no router, each of which is looked through twice: it is asked most.
    app.router.routes.extend(who_am_i(Guard(verified=verified)).routes)
    app.include_router(login, prefix="/auth/jwt", tags=["auth"])
    app.include_router(register, prefix="/auth", tags=["auth"])
    app.include_router(auth_router(get_user_manager), prefix="/auth", tags=["auth"])
    for router in (admin.router, ticks.router):
        app.include_router(
            router,
            dependencies=[superuser],
            responses={
                401: {"description": "No login."},
                403: {"description": "Not a superuser."},
            },
        )
    app.include_router(users, prefix="/users", tags=["users"])
    app.include_router(tick.router, dependencies=[scheduler])
    app.include_router(metrics.router, dependencies=[prometheus])
    app.include_router(health.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(packages=[("app.pages", "static")]))
    app.mount("/swagger", StaticFiles(packages=[("fastapi_swagger", "resources")]))


def _describe(routes: Iterable[BaseRoute]) -> None:
    """Put into the schema what fastapi-users' routes do and answer here."""
    for route in routes:
        assert isinstance(route, APIRoute)
        route.summary = _SUMMARIES[route.name]
        if route.name == "auth:jwt.logout":
            route.status_code = 204
        if route.name in ("users:patch_user", "users:delete_user"):
            last = {"description": "Nobody would be left to manage accounts: LAST_SUPERUSER."}
            route.responses = {**route.responses, 409: last}


def _lifespan(settings: Settings) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        configure_logging(settings)
        async with AsyncExitStack() as stack:
            services = await stack.enter_async_context(open_services(settings))
            runner = Runner(services, JOBS)
            # On Lambda each sandbox would look; there, what deploys migrates.
            looks = settings.lambda_function is None
            if looks and (fault := await schema.fault(services.database)) is not None:
                log.error("not ready", reason=fault)
            if settings.runs_loop:
                await stack.enter_async_context(courier(services, deliver_mail))
                await stack.enter_async_context(local_loop(runner))
            limit = AsyncLimiter(tick.PER_MINUTE)
            yield {"services": services, "runner": runner, "tick_limit": limit}

    return lifespan


app = create_app()

# Each full collection would look through all of it: up to 20 ms on Python 3.11.
gc.freeze()
gc.enable()
