"""The application: middleware, exception handlers, lifespan."""

import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from importlib.util import find_spec
from typing import Any

import structlog
from aiolimiter import AsyncLimiter
from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware

from app import health
from app.auth.last_seen import LastSeenMiddleware
from app.health import ReadinessCheck
from app.http.allowed_origins import AllowedOriginsMiddleware
from app.http.base_path import BasePathMiddleware
from app.http.body_limit import BodyLimitMiddleware
from app.http.error_handlers import add_exception_handlers, internal_server_error
from app.http.head_requests import HeadMiddleware
from app.http.openapi import document, operation_id
from app.http.request_log import RequestLogMiddleware
from app.http.security_headers import SecurityHeadersMiddleware
from app.http.transaction_retry import TransactionRetryMiddleware
from app.jobs import JOBS, deliver_mail
from app.logs import configure_logging
from app.mail.courier import courier
from app.metrics.recorder import Recorder
from app.models import TABLES
from app.resources import open_probe_database, open_resources
from app.routes import add_routes
from app.schema import revisions
from app.scrape import Scrape, sampled
from app.settings.model import Settings
from app.tick import routes as tick
from app.tick.loop import local_loop
from app.tick.runner import Runner

log = structlog.get_logger()

# Without the SDK of OpenTelemetry, FastAPI would look for it at each request.
_HAS_TELEMETRY = find_spec("opentelemetry.sdk") is not None


_TAGS = [
    {"name": "auth", "description": "Registration, log-in, and what mails ask for."},
    {"name": "users", "description": "The own account; all accounts, for superusers."},
    {"name": "services", "description": "Tokens, for other services that authenticate users."},
    {"name": "tick", "description": "Periodic jobs, their runs, and metrics."},
    {"name": "health", "description": "Probes."},
]


def create_app(settings: Settings) -> FastAPI:
    """Return the application for `settings`. Opens nothing before its lifespan starts."""
    app = FastAPI(
        title="Keystead",
        description="Accounts, sessions and scheduled work.",
        lifespan=_lifespan(settings),
        # The original notes' PowerShell commands send JSON without a Content-Type.
        strict_content_type=False,
        docs_url=None,
        redoc_url=None,
        # It would redirect to the address in the request's Host.
        redirect_slashes=False,
        contact={"name": "The Keystead maintainers"},
        license_info={"name": "MIT", "identifier": "MIT"},
        openapi_tags=_TAGS,
        generate_unique_id_function=operation_id,
        servers=[{"url": settings.base_url}],
        root_path_in_servers=False,
        telemetry=None if _HAS_TELEMETRY else {"tracing": False, "metrics": False, "logs": False},
    )
    app.add_middleware(HeadMiddleware)
    app.add_middleware(TransactionRetryMiddleware)
    app.add_middleware(BodyLimitMiddleware, limit=settings.body_limit_bytes)
    # FastAPI's own is outside of all others: its 500 would lack their headers.
    app.add_middleware(ServerErrorMiddleware, handler=internal_server_error)
    if settings.origins:
        app.add_middleware(AllowedOriginsMiddleware, origins=settings.origins)
    app.add_middleware(SecurityHeadersMiddleware)
    if settings.base_path:
        app.add_middleware(BasePathMiddleware, prefix=settings.base_path)
    probes = [prefix + path for prefix in ("", settings.base_path) for path in health.PATHS]
    app.add_middleware(RequestLogMiddleware, probes=probes)
    # Outside of the log, whose durations end with the answer.
    app.add_middleware(LastSeenMiddleware)
    add_exception_handlers(app)
    add_routes(app, settings)
    app.openapi = document(app, settings)  # type: ignore[method-assign]
    return app


def _lifespan(settings: Settings) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        configure_logging(settings.log_level, as_json=settings.is_production)
        async with AsyncExitStack() as stack:
            resources = await stack.enter_async_context(open_resources(settings))
            runner = Runner(resources, JOBS)
            # On Lambda the deployment migrates, and each process that starts would check again.
            if settings.lambda_function is None:
                problem = await revisions.find_problem(resources.database, TABLES)
                if problem is not None:
                    log.error("not ready", reason=problem)
            if settings.runs_loop:
                await stack.enter_async_context(courier(resources, deliver_mail))
                await stack.enter_async_context(local_loop(runner))
            probe = await stack.enter_async_context(open_probe_database(settings, resources))
            recorder = stack.enter_context(_open_recorder(settings))
            scrape = Scrape(recorder, runner, probe)
            if recorder.is_shared:
                await stack.enter_async_context(sampled(scrape))
            yield {
                "resources": resources,
                "runner": runner,
                "tick_limit": AsyncLimiter(tick.PER_MINUTE),
                "readiness": ReadinessCheck(runner, probe, TABLES),
                "recorder": recorder,
                "scrape": scrape,
            }

    return lifespan


def _open_recorder(settings: Settings) -> AbstractContextManager[Recorder]:
    if settings.lambda_function is not None:
        from app.metrics.embedded import EmbeddedRecorder

        return nullcontext(EmbeddedRecorder())
    if settings.metrics_token:
        from app.metrics.prometheus import PrometheusRecorder

        return PrometheusRecorder()
    return nullcontext(Recorder())


def create_frozen_app(settings: Settings) -> FastAPI:
    """Return the application for a process that serves: its objects are not collected."""
    app = create_app(settings)
    # A full collection of the objects made so far takes up to 20 ms on Python 3.11.
    gc.freeze()
    return app


def __getattr__(name: str) -> FastAPI:
    """Return `app`, the application for the environment's settings, built when first used.

    The entry point of `uvicorn app.main:app`; importing `create_app` reads no settings.
    """
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    app: FastAPI = globals().setdefault(name, create_frozen_app(Settings()))
    return app
