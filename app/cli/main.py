"""The `keystead` command: its groups, and how errors are shown."""

import errno
import sys
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from app.cli.check import check
from app.cli.console import Failure, err, plain, standard_streams
from app.cli.migrate import migrate
from app.cli.serve import serve
from app.cli.tick import ticks
from app.cli.user import users
from app.errors import APIError
from app.mail.transports import MailServerUnavailable

cli = typer.Typer(
    name="keystead",
    help="Accounts, sessions and scheduled work in one small service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cli.command()(serve)
cli.command()(migrate)
cli.command()(check)
cli.add_typer(users, name="user")
cli.add_typer(ticks, name="tick")


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
        _fail(f"{Path(error.filename).absolute()}: {error.strerror}")


def _fail(reason: str) -> None:
    try:
        err.print(f"[bold red]keystead:[/] {plain(reason)}")
    finally:
        sys.exit(1)


def _invalid_setting(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return f"{_variable(name)}: {text}" if name else text


def _variable(name: str) -> str:
    return name if name.isupper() else f"KEYSTEAD_{name.upper()}"
