"""`keystead serve`: migrate, then serve."""

import errno
import os
import socket
from typing import Annotated, Any
from urllib.parse import urlsplit

import structlog
import typer

from app.cli.console import Failure, plain, say
from app.cli.migrate import migrate_unless_newer
from app.logs import configure_logging
from app.settings.model import Settings

log = structlog.get_logger()


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, help="Processes that serve.")] = 1,
) -> None:
    """Migrate the database, then serve until Ctrl-C."""
    import uvicorn

    settings = Settings()
    half_configured = settings.half_configured()
    if "base_url" not in settings.model_fields_set:
        # Links in mails start with it. Workers read it from the environment.
        os.environ["KEYSTEAD_BASE_URL"] = f"http://{_in_url(host)}:{port}"
        settings = settings.model_copy(update={"base_url": os.environ["KEYSTEAD_BASE_URL"]})
    _check_port(host, port)
    settings.signing_key()
    migrate_unless_newer(settings)
    configure_logging(settings.log_level, as_json=settings.is_production)
    say(f"Keystead: [bold]{settings.base_url}[/] (try {settings.base_url}/docs)")
    say(f"Mail goes to {plain(_mail_goes_to(settings.mail_url))}")
    if half_configured is not None:
        log.warning("half configured", reason=half_configured)
    uvicorn.run(
        _application(settings, workers),
        host=host,
        port=port,
        workers=workers,
        log_config=None,
        server_header=False,
        # Longer than the idle timeout of load balancers (60 s): the side that closes first loses
        # no request.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
    )


def _application(settings: Settings, workers: int) -> Any:
    """Return the application, or its name: each of several workers imports it."""
    if workers > 1:
        return "app.main:app"
    from app.main import create_frozen_app

    return create_frozen_app(settings)


def _check_port(host: str, port: int) -> None:
    """Raise Failure if the port cannot be listened on, before the database is migrated."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Failure(f"port {port} is in use; choose another with --port") from None
        raise Failure(f"cannot listen on {host}, port {port}: {error.strerror}") from None


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
