"""The `keystead` command."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer
from fastapi_users.exceptions import InvalidPasswordException, UserAlreadyExists
from pydantic import ValidationError
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy.exc import SQLAlchemyError

from app import health, schema
from app.database import Database
from app.errors import LastSuperuser, Refusal
from app.jobs import JOBS
from app.logs import configure_logging
from app.mail.outbox import Outbox
from app.mail.transports import Away, open_transport
from app.services import Services, open_services
from app.sessions.logins import Logins
from app.settings import Settings
from app.tick.runner import Runner
from app.users.manager import UserManager
from app.users.schemas import UserCreate
from app.users.store import UserStore
from app.users.tables import User

Result = TypeVar("Result")

cli = typer.Typer(
    name="keystead",
    help="Accounts, sessions and scheduled work in one small service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
users = typer.Typer(help="Look after accounts.", no_args_is_help=True)
cli.add_typer(users, name="user")

# What is piped elsewhere is not folded to the width of a screen that is not there.
out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, soft_wrap=True, highlight=False)


class Failure(Exception):
    """Something the person at the keyboard can mend: said in a line, exit code 1."""


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
    err.print(f"[bold red]keystead:[/] {_plain(reason)}")
    sys.exit(1)


def _setting_fault(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return f"{_variable(name)}: {text}" if name else text


def _variable(name: str) -> str:
    return name if name.isupper() else f"KEYSTEAD_{name.upper()}"


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


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
    _migrate_unless_newer()
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


@cli.command()
def migrate(
    revision: Annotated[str, typer.Argument(help="Where to stop.", metavar="REVISION")] = "head",
    sql: Annotated[bool, typer.Option("--sql", help="Only print the SQL.")] = False,
) -> None:
    """Bring the database's schema to a revision; never backwards. Safe to call from many hosts."""
    _migrate(revision, sql=sql)


def _migrate_unless_newer() -> None:
    """Migrate; but serve on the schema of a newer release, which is made for that."""
    found = asyncio.run(_revisions())
    if found.newer:
        out.print(f"Database: at revision {found.current}, newer than this release's {found.head}")
    else:
        _migrate("head", sql=False)


def _migrate(revision: str, *, sql: bool) -> None:
    from alembic.util import CommandError

    try:
        if sql:
            schema.migrate(revision, sql=True)
            return
        found = asyncio.run(_revisions())
        if found.newer:
            raise Failure(
                f"the database is at revision {found.current}, which this release does not know: "
                "a newer one made it"
            )
        before = found.current
        started = time.perf_counter()
        schema.migrate(revision)
        after = asyncio.run(_revisions()).current
    except CommandError as error:
        raise Failure(str(error)) from error
    if before == after:
        out.print(f"Database: at revision {after}, nothing to migrate")
    else:
        seconds = time.perf_counter() - started
        out.print(f"Database: migrated from {before or 'nothing'} to {after} in {seconds:.1f} s")


async def _revisions() -> schema.Revisions:
    async with Database(Settings().database_url) as database, database.transaction() as session:
        return await schema.revisions(session)


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

    outcomes = _with_services(run)
    table = Table("Job", "Occurrence", "Status", "Result")
    for outcome in outcomes:
        said = outcome.error if outcome.error else outcome.result
        occurrence = outcome.occurrence.isoformat().replace("+00:00", "Z")
        table.add_row(
            outcome.job, occurrence, outcome.status, "" if said is None else _plain(str(said))
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
    faults = _with_services(_look, must_be_ready=False)
    table = Table("What", "State")
    for what, fault in faults.items():
        table.add_row(what, "[green]ok[/]" if fault is None else f"[red]{_plain(fault)}[/]")
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


@users.command()
def create(
    email: str,
    superuser: Annotated[bool, typer.Option("--superuser", help="May manage accounts.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Make an account, its address taken as proven."""
    new = _new_user(email, _read_password(password_stdin), superuser)

    async def run(manager: UserManager) -> User:
        try:
            return await manager.create(new)
        except UserAlreadyExists:
            raise Failure(f"there is an account for {email} already") from None
        except InvalidPasswordException as error:
            raise Failure(str(error.reason)) from None

    user = _with_manager(run)
    out.print(f"Created {user.email}{' (superuser)' if superuser else ''}: {user.id}")


def _new_user(email: str, password: str, superuser: bool) -> UserCreate:
    try:
        return UserCreate(email=email, password=password, is_superuser=superuser, is_verified=True)
    except ValidationError as error:
        raise Failure(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


@users.command("list")
def list_users(
    prefix: Annotated[str, typer.Argument(help="Only addresses that begin like this.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
) -> None:
    """Show accounts in the order of their addresses."""

    async def run(manager: UserManager) -> tuple[list[User], str | None]:
        return await manager.user_db.page(limit, None, prefix)

    found, more = _with_manager(run)
    table = Table(Column("E-mail", overflow="fold"), Column("Id", no_wrap=True), "Flags")
    for user in found:
        flags = [
            name for name in ("active", "superuser", "verified") if getattr(user, f"is_{name}")
        ]
        table.add_row(_plain(user.email), str(user.id), ", ".join(flags) or "none")
    out.print(table)
    if more:
        out.print("There are more: raise --limit, or give the beginning of an address")


@users.command()
def promote(email: str) -> None:
    """Let an account manage the others."""
    _change(email, "is a superuser now", is_superuser=True)


@users.command()
def demote(email: str) -> None:
    """Take that right away again."""
    _change(email, "is no superuser any more", is_superuser=False)


@users.command()
def deactivate(email: str) -> None:
    """Keep somebody out; all logins end."""
    _change(email, "is deactivated, all logins ended", is_active=False)


@users.command()
def activate(email: str) -> None:
    """Let somebody in again."""
    _change(email, "is active again", is_active=True)


@users.command("sign-out")
def sign_out(email: str) -> None:
    """End all logins of an account."""

    async def run(manager: UserManager) -> None:
        await manager.logins.end((await _find(manager, email)).id)

    _with_manager(run)
    out.print(f"{email}: all logins ended")


def _change(email: str, done: str, **changes: bool) -> None:
    async def run(manager: UserManager) -> None:
        try:
            await manager.apply(dict(changes), await _find(manager, email))
        except LastSuperuser:
            raise Failure(f"{email} is the last active superuser: promote another first") from None

    _with_manager(run)
    out.print(f"{email} {done}")


async def _find(manager: UserManager, email: str) -> User:
    user = await manager.user_db.get_by_email(email)
    if user is None:
        raise Failure(f"there is no account for {email}")
    return user


def _with_manager(work: Callable[[UserManager], Awaitable[Result]]) -> Result:
    """Do `work` in one transaction."""

    async def run(services: Services) -> Result:
        async with services.database.transaction() as session:
            logins = Logins(session, services.signer, services.settings.session_seconds)
            outbox = Outbox(session, services.mail_waiting)
            return await work(UserManager(services, UserStore(session), logins, outbox))

    return _with_services(run)


def _with_services(
    work: Callable[[Services], Awaitable[Result]], *, must_be_ready: bool = True
) -> Result:
    async def run() -> Result:
        async with _ready_services(must_be_ready) as services:
            return await work(services)

    return asyncio.run(run())


@asynccontextmanager
async def _ready_services(must_be_ready: bool) -> AsyncIterator[Services]:
    settings = Settings()
    configure_logging(settings)
    async with open_services(settings) as services:
        if must_be_ready and (fault := await health.fault(services.database)) is not None:
            raise Failure(fault)
        yield services
