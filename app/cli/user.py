"""`keystead user`: manage accounts as the operator."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from fastapi_users.exceptions import InvalidPasswordException, UserAlreadyExists
from pydantic import ValidationError
from rich.table import Column, Table

from app import limits
from app.actor import OPERATOR
from app.cli.console import Failure, Result, out, plain, say, with_resources
from app.errors import LastSuperuser
from app.resources import Resources
from app.users.manager import UserManager
from app.users.schemas import UserCreate
from app.users.tables import User

users = typer.Typer(help="Manage accounts.", no_args_is_help=True)


@users.command()
def create(
    email: str,
    superuser: Annotated[bool, typer.Option("--superuser", help="May manage accounts.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Create an account with a verified address."""
    new = _new_user(email, superuser)
    new.password = _read_password(password_stdin)

    async def run(manager: UserManager) -> User:
        try:
            return await manager.create(new)
        except UserAlreadyExists:
            raise Failure(f"there is an account for {email} already") from None
        except InvalidPasswordException as error:
            raise Failure(str(error.reason)) from None

    user = _with_manager(run)
    say(f"Created {user.email}{' (superuser)' if superuser else ''}: {user.id}")


def _new_user(email: str, superuser: bool) -> UserCreate:
    """Return the account without its password. Raises Failure for an invalid address."""
    try:
        return UserCreate(email=email, password="", is_superuser=superuser, is_verified=True)
    except ValidationError as error:
        raise Failure(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline(2 * limits.PASSWORD.characters).rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Failure("no terminal to ask for the password: pipe it in, with --password-stdin")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


@users.command("list")
def list_users(
    prefix: Annotated[str, typer.Argument(help="Only addresses that start with this.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The most accounts to show.")] = 50,
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
        table.add_row(plain(user.email), str(user.id), ", ".join(flags) or "none")
    out.print(table)
    if more:
        out.print("There are more: raise --limit, or give the start of an address")


@users.command()
def promote(email: str) -> None:
    """Make an account a superuser."""
    _change(email, "is a superuser now", is_superuser=True)


@users.command()
def demote(email: str) -> None:
    """Remove the superuser right."""
    _change(email, "is no superuser any more", is_superuser=False)


@users.command()
def deactivate(email: str) -> None:
    """Deactivate an account and end its sessions."""
    _change(email, "is deactivated, all sessions ended", is_active=False)


@users.command()
def activate(email: str) -> None:
    """Activate an account again."""
    _change(email, "is active again", is_active=True)


@users.command("sign-out")
def sign_out(email: str) -> None:
    """End all sessions of an account."""

    async def run(manager: UserManager) -> None:
        await manager.sessions.revoke_all((await _find(manager, email)).id)

    _with_manager(run)
    say(f"{email}: all sessions ended")


def _change(email: str, done: str, **changes: bool) -> None:
    async def run(manager: UserManager) -> None:
        try:
            await manager.apply(dict(changes), (await _find(manager, email)).id)
        except LastSuperuser:
            raise Failure(f"{email} is the last active superuser: promote another first") from None

    _with_manager(run)
    say(f"{email} {done}")


async def _find(manager: UserManager, email: str) -> User:
    user = await manager.user_db.get_by_email(email)
    if user is None:
        raise Failure(f"there is no account for {email}")
    return user


def _with_manager(work: Callable[[UserManager], Awaitable[Result]]) -> Result:
    """Run `work` in one transaction."""

    async def run(resources: Resources) -> Result:
        async with resources.database.transaction() as session:
            return await work(UserManager(resources, session, OPERATOR))

    return with_resources(run)
