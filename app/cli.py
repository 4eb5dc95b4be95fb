"""The `keystead` command."""

import errno
import os
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import structlog
import typer
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from app.cli_check import check
from app.cli_migrate import migrate, migrate_unless_newer
from app.cli_tick import ticks
from app.cli_user import users
from app.console import Failure, database_file, err, out, plain
from app.errors import Refusal
from app.logs import configure_logging
from app.mail.transports import Away
from app.settings import Settings

log = structlog.get_logger()
cli = typer.Typer(
    name="keystead",
    help="Accounts, sessions and scheduled work in one small service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cli.add_typer(users, name="user")
cli.add_typer(ticks, name="tick")


def main() -> None:
    """Run the command. Exit codes: 0 done, 1 it failed and says why, 2 it was called wrongly."""
    try:
        cli(prog_name="keystead")
    except ValidationError as error:
        _complain("; ".join(_setting_fault(problem) for problem in error.errors()))
    except (Failure, Refusal, Away, TimeoutError, ValueError) as error:
        _complain(str(error) or type(error).__name__)
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        _complain(_storage_fault(error))


def _complain(reason: str) -> None:
    err.print(f"[bold red]keystead:[/] {plain(reason)}")
    sys.exit(1)


def _storage_fault(error: Exception) -> str:
    if isinstance(error, OSError) and isinstance(error.filename, str):
        return f"{Path(error.filename).absolute()}: {error.strerror}"
    file = database_file(Settings())
    name, more = (f" {file}", "") if file else ("", ". `keystead check` tells more")
    return f"the database{name}: {str(error).splitlines()[0]}{more}"


def _setting_fault(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return f"{_variable(name)}: {text}" if name else text


def _variable(name: str) -> str:
    return name if name.isupper() else f"KEYSTEAD_{name.upper()}"


@cli.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, help="Processes that serve.")] = 1,
) -> None:
    """Migrate the database, then serve until Ctrl-C."""
    import uvicorn

    half_configured = Settings().half_configured()
    if "base_url" not in Settings().model_fields_set:
        # For the links in mails; workers read it from the environment.
        os.environ["KEYSTEAD_BASE_URL"] = f"http://{_in_url(host)}:{port}"
    settings = Settings()
    _probe(host, port)
    settings.signing_key()
    migrate_unless_newer()
    configure_logging(settings)
    out.print(f"Keystead: [bold]{settings.base_url}[/] (try {settings.base_url}/docs)")
    out.print(f"Mail goes to {plain(_mail_goes_to(settings.mail_url))}")
    if half_configured is not None:
        log.warning("half configured", reason=half_configured)
    uvicorn.run(
        "app.main:app",
        host=host,
        port=port,
        workers=workers,
        log_config=None,
        server_header=False,
        # Longer than clients and load balancers wait (60 s): who closes first loses no request.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
    )


def _probe(host: str, port: int) -> None:
    """Raise Failure if nobody can listen there; uvicorn would say so after all else is done."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Failure(f"port {port} is in use; take another with --port") from None
        raise Failure(f"cannot listen on {host}, port {port}: {error.strerror}") from None


def _mail_goes_to(url: str) -> str:
    """Say where that is, without the password."""
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


cli.command()(migrate)


cli.command()(check)
