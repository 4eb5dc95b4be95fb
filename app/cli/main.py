"""The `keystead` command: its groups, and how errors are shown."""

import errno
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from app import __version__
from app.cli.check import check
from app.cli.console import Failure, err, out, plain, standard_streams
from app.cli.keys import keys
from app.cli.migrate import migrate
from app.cli.serve import serve
from app.cli.tick import ticks
from app.cli.user import users
from app.errors import APIError
from app.mail.transports import MailServerUnavailable
from app.schema.revisions import head

cli = typer.Typer(
    name="keystead",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cli.command()(serve)
cli.command()(migrate)
cli.command()(check)
cli.add_typer(users, name="user")
cli.add_typer(ticks, name="tick")
cli.add_typer(keys, name="keys")


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"keystead {__version__}, schema {head()}")
        raise typer.Exit


@cli.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version, and the schema's revision that it needs.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Accounts, sessions and scheduled work in one small service."""


def main() -> None:
    """Run the command. Exit codes: 0 done, 1 failed with a reason on stderr, 2 wrong usage."""
    with standard_streams():
        _run()


def _run() -> None:
    try:
        cli(prog_name="keystead")
    except ValidationError as error:
        _fail("; ".join(_invalid_setting(problem) for problem in error.errors()))
    except (Failure, APIError, MailServerUnavailable, TimeoutError, ValueError) as error:
        _fail(str(error) or type(error).__name__)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        if error.filename is None and error.errno == errno.ENOSPC:
            _fail(f"cannot write the output: {error.strerror}")
        if not isinstance(error.filename, str):
            raise
        _fail(f"{Path(error.filename).absolute()}: {error.strerror}{_remedy(error)}")


def _fail(reason: str) -> None:
    try:
        err.print(f"[bold red]keystead:[/] {plain(reason)}")
    finally:
        sys.exit(1)


def _remedy(error: OSError) -> str:
    if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ""
    return (
        ". Start in a folder that this user may write, or name places for what is kept in var/ "
        "with KEYSTEAD_DATABASE_URL, KEYSTEAD_MAIL_URL and KEYSTEAD_SECRET_KEY"
    )


def _invalid_setting(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return f"{_variable(name)}: {text}" if name else text


def _variable(name: str) -> str:
    return name if name.isupper() else f"KEYSTEAD_{name.upper()}"
