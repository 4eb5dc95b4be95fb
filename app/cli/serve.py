"""`keystead serve`: migrate, then serve."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from socket import socket
from typing import Annotated, Any
from urllib.parse import urlsplit

import structlog
import typer

from app.cli.console import Failure, plain, say
from app.cli.migrate import migrate_unless_newer
from app.cli.sockets import bind, fit_connections
from app.logs import configure_logging
from app.metrics.workers import shared_folder
from app.settings.model import Settings

log = structlog.get_logger()


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, help="Processes that serve.")] = 1,
) -> None:
    """Migrate the database, then serve until Ctrl-C."""
    settings = Settings()
    half_configured = settings.half_configured()
    with ExitStack() as stack:
        # Before the database is migrated: another server may have the port.
        sockets = [stack.enter_context(one) for one in bind(host, port)]
        if "base_url" not in settings.model_fields_set:
            # Links in mails start with it. Workers read it from the environment.
            served = f"http://{_in_url(host)}:{sockets[0].getsockname()[1]}"
            os.environ["KEYSTEAD_BASE_URL"] = served
            settings = settings.model_copy(update={"base_url": served})
        settings.secret_keys()
        migrate_unless_newer(settings)
        configure_logging(settings.log_level, as_json=settings.is_production)
        say(f"Keystead: [bold]{settings.base_url}[/] (try {settings.base_url}/docs)")
        say(f"Mail goes to {plain(_mail_goes_to(settings.mail_url))}")
        if half_configured is not None:
            log.warning("half configured", reason=half_configured)
        stack.enter_context(_sharing_metrics(settings, workers))
        _run(settings, workers, sockets)


def _run(settings: Settings, workers: int, sockets: list[socket]) -> None:
    """Serve on `sockets` until a signal. Exits with 3 if a single process cannot start."""
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from app.http.protocol import BoundedProtocol

    config = uvicorn.Config(
        _application(settings, workers),
        http=BoundedProtocol,
        ws="none",
        limit_concurrency=_connections(settings),
        workers=workers,
        log_config=None,
        server_header=False,
        # Longer than the idle timeout of load balancers (60 s): the side that closes first loses
        # no request.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
        # On a busy machine a worker takes longer than uvicorn's 5 s to start, and would be killed.
        timeout_worker_healthcheck=30,
    )
    server = uvicorn.Server(config)
    try:
        if workers > 1:
            Multiprocess(config, sockets).run()
        else:
            server.run(sockets)
    except KeyboardInterrupt:
        pass
    if workers == 1 and not server.started:
        sys.exit(3)


def _connections(settings: Settings) -> int:
    """Return the most connections of a process, fewer than set if so many files cannot be open."""
    wanted = settings.http_connections
    fitting = fit_connections(wanted, settings.database_connections)
    if fitting < wanted:
        log.warning(
            "fewer connections than KEYSTEAD_HTTP_CONNECTIONS",
            connections=fitting,
            remedy="allow more open files: `ulimit -n`, LimitNOFILE of systemd",
        )
    return fitting


@contextmanager
def _sharing_metrics(settings: Settings, workers: int) -> Iterator[None]:
    """Let workers that start in the block answer `GET /metrics` for all of them."""
    if workers == 1 or not settings.metrics_token:
        yield
        return
    with ExitStack() as stack:
        try:
            stack.enter_context(shared_folder())
        except OSError as error:
            raise Failure(
                f"workers share their metrics in a temporary folder, and none can be written: "
                f"{error.strerror}; name one with TMPDIR"
            ) from None
        yield


def _application(settings: Settings, workers: int) -> Any:
    """Return the application, or its name: each of several workers imports it."""
    if workers > 1:
        return "app.main:app"
    from app.main import create_frozen_app

    return create_frozen_app(settings)


def _mail_goes_to(url: str) -> str:
    """Return the destination of mail, without the password."""
    parts = urlsplit(url)
    match parts.scheme:
        case "file":
            return f"files in {url.removeprefix('file:')}"
        case "console":
            return "this console"
        case scheme:
            return f"{scheme}://{parts.netloc.rpartition('@')[2]}"


def _in_url(host: str) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{reachable}]" if ":" in reachable else reachable
