"""`keystead user`: manage accounts as the operator."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

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
from app.users.schemas import UserCreate, UserRead
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
        return sys.stdin.readline(2 * limits.TYPED_PASSWORD.characters).rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Failure("no terminal to ask for the password: pipe it in, with --password-stdin")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


Who = Annotated[str, typer.Argument(metavar="EMAIL", help="The address, or the account's id.")]


@users.command()
def show(who: Who) -> None:
    """Show an account, and how many sessions it has."""

    async def run(manager: UserManager) -> tuple[UserRead, int]:
        user = await _find(manager, who)
        return UserRead.model_validate(user), await manager.sessions.count(user.id)

    account, sessions = _with_manager(run)
    table = Table("Field", Column("Value", overflow="fold"))
    for name, value in {**account.model_dump(), "sessions": sessions}.items():
        table.add_row(name, plain(str(value)))
    out.print(table)


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
def promote(who: Who) -> None:
    """Make an account a superuser."""
    _change(who, "is a superuser now", is_superuser=True)


@users.command()
def demote(who: Who) -> None:
    """Remove the superuser right."""
    _change(who, "is no superuser any more", is_superuser=False)


@users.command()
def deactivate(who: Who) -> None:
    """Deactivate an account and end its sessions."""
    _change(who, "is deactivated, all sessions ended", is_active=False)


@users.command()
def activate(who: Who) -> None:
    """Activate an account again."""
    _change(who, "is active again", is_active=True)


@users.command("sign-out")
def sign_out(who: Who) -> None:
    """End all sessions of an account."""

    async def run(manager: UserManager) -> str:
        user = await _find(manager, who)
        await manager.sessions.revoke_all(user.id)
        return user.email

    say(f"{_with_manager(run)}: all sessions ended")


@users.command("set-password")
def set_password(
    who: Who,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Set another password and end all sessions; the account's address gets a notice."""
    password = _read_password(password_stdin)
    _change(who, "has another password, all sessions ended", password=password)


@users.command()
def delete(
    who: Who,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete an account, its sessions and the mails to its address. It cannot be restored."""
    if not yes:
        if not sys.stdin.isatty():
            raise Failure("no terminal to ask for a confirmation: --yes deletes without one")
        typer.confirm(f"Delete {who}?", abort=True)

    async def run(manager: UserManager) -> str:
        user = await _find(manager, who)
        await manager.delete(user)
        return user.email

    say(f"Deleted {_with_manager(run)}")


def _change(who: str, done: str, **changes: Any) -> None:
    async def run(manager: UserManager) -> str:
        user = await _find(manager, who)
        await manager.apply(dict(changes), user.id)
        return user.email

    say(f"{_with_manager(run)} {done}")


async def _find(manager: UserManager, who: str) -> User:
    """Return the account with an address or an id. Raises Failure if there is none."""
    user: User | None
    try:
        user = await manager.user_db.get(UUID(who))
    except ValueError:
        user = await manager.user_db.get_by_email(who)
    if user is None:
        raise Failure(f"there is no account for {who}")
    return user


def _with_manager(work: Callable[[UserManager], Awaitable[Result]]) -> Result:
    """Run `work` in one transaction. Raises Failure for what the manager refuses."""

    async def run(resources: Resources) -> Result:
        try:
            async with resources.database.transaction() as session:
                return await work(UserManager(resources, session, OPERATOR))
        except LastSuperuser:
            raise Failure("this is the last active superuser: promote another first") from None
        except InvalidPasswordException as error:
            raise Failure(str(error.reason)) from None

    return with_resources(run)
