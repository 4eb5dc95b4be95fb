"""The `keystead` command."""

import os
import sys
from datetime import datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from app import health
from app.cli_migrate import migrate, migrate_unless_newer
from app.cli_user import users
from app.console import Failure, err, out, plain, with_services
from app.errors import Refusal
from app.jobs import JOBS
from app.logs import configure_logging
from app.mail.transports import Away, open_transport
from app.services import Services
from app.settings import Settings
from app.tick.runner import Runner

cli = typer.Typer(
    name="keystead",
    help="Accounts, sessions and scheduled work in one small service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cli.add_typer(users, name="user")


def main() -> None:
    """Run the command. Exit codes: 0 done, 1 it failed and says why, 2 it was called wrongly."""
    try:
        cli(prog_name="keystead")
    except ValidationError as error:
        _complain("; ".join(_setting_fault(problem) for problem in error.errors()))
    except (Failure, Refusal, Away, TimeoutError, ValueError) as error:
        _complain(str(error) or type(error).__name__)
    except (SQLAlchemyError, OSError) as error:
        _complain(f"the database: {str(error).splitlines()[0]}. `keystead check` tells more")


def _complain(reason: str) -> None:
    err.print(f"[bold red]keystead:[/] {plain(reason)}")
    sys.exit(1)


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

    if "base_url" not in Settings().model_fields_set:
        # For the links in mails; workers read it from the environment.
        os.environ["KEYSTEAD_BASE_URL"] = f"http://{_in_url(host)}:{port}"
    settings = Settings()
    settings.signing_key()
    migrate_unless_newer()
    configure_logging(settings)
    out.print(f"Keystead: [bold]{settings.base_url}[/] (try {settings.base_url}/docs)")
    if settings.mail_url.startswith("file:"):
        out.print(f"Mail goes to files in {settings.mail_url.removeprefix('file:')}")
    uvicorn.run(
        "app.main:app",
        host=host,
        port=port,
        workers=workers,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


def _in_url(host: str) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{reachable}]" if ":" in reachable else reachable


cli.command()(migrate)


@cli.command()
def tick(
    job: Annotated[str | None, typer.Argument(help="Only this job.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="ISO-TIME", help="As if at this moment, with an offset.")
    ] = None,
) -> None:
    """Run the jobs that are due. What was done before is not done again."""
    at_time = _parse_time(at) if at else None

    async def run(services: Services) -> list[Any]:
        return list(await Runner(services, JOBS).tick("command", at_time, job))

    outcomes = with_services(run)
    table = Table("Job", "Occurrence", "Status", "Result")
    for outcome in outcomes:
        said = outcome.error if outcome.error else outcome.result
        occurrence = outcome.occurrence.isoformat().replace("+00:00", "Z")
        table.add_row(
            outcome.job, occurrence, outcome.status, "" if said is None else plain(str(said))
        )
    out.print(table)
    if any(outcome.status == "failed" for outcome in outcomes):
        raise Failure("a job failed; it is tried again at the next tick")


def _parse_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("not an ISO 8601 time, such as 2026-01-31T12:00:00Z") from None


@cli.command()
def check() -> None:
    """Look at settings, database, migrations and mail: what is wrong, and what mends it."""
    faults = with_services(_look, must_be_ready=False)
    table = Table("What", "State")
    for what, fault in faults.items():
        table.add_row(what, "[green]ok[/]" if fault is None else f"[red]{plain(fault)}[/]")
    out.print(table)
    if any(faults.values()):
        raise Failure("not everything is as it should be")


async def _look(services: Services) -> dict[str, str | None]:
    settings = services.settings
    mail_fault = None
    transport = open_transport(settings)
    try:
        await transport.check()
    except Away as error:
        mail_fault = f"{error}: is KEYSTEAD_MAIL_URL right?"
    await transport.aclose()
    return {
        "settings": _half_configured(settings),
        "database and migrations": await health.fault(services.database),
        "mail": mail_fault,
    }


def _half_configured(settings: Settings) -> str | None:
    if settings.environment != "production":
        return None
    unset = {"base_url", "mail_url", "mail_from"} - settings.model_fields_set
    names = ", ".join(sorted(_variable(name) for name in unset))
    return (
        f"production with the default of {names}: set what your people should see"
        if unset
        else None
    )
