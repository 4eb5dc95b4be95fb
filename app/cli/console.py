"""The console, and the resources, of the `keystead` command."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TypeVar

from rich.console import Console
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from app.database.errors import TransactionConflict
from app.errors import DatabaseUnavailable
from app.folders import make_private, make_private_file
from app.logs import configure_logging
from app.models import TABLES
from app.resources import Resources, open_resources
from app.schema import revisions
from app.settings.model import Settings

Result = TypeVar("Result")


class _Console(Console):
    """A console whose reader may be gone: that is an OSError as any other."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError; rich would end the process, in the middle of an operation."""
        raise BrokenPipeError("nobody reads the output")


# Piped output is not folded to the width of a terminal.
out = _Console(
    soft_wrap=True,
    highlight=False,
    emoji=False,
    width=None if sys.stdout is not None and sys.stdout.isatty() else 160,
)
err = _Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)


def say(text: str) -> None:
    """Print a line about an operation, which goes on, or was done, if it cannot be written."""
    try:
        out.print(text)
    except (OSError, ValueError):
        pass  # a full disk, a closed pipe


@contextmanager
def standard_streams() -> Iterator[None]:
    """Let both streams take any text: replace what their encoding lacks, and open closed ones.

    What cannot be flushed at the end is dropped: the interpreter would exit with 120.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)


def _flush(stream: IO[str]) -> None:
    try:
        stream.flush()
    except (OSError, ValueError):
        if hasattr(stream, "fileno"):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Failure(Exception):
    """An error that the operator can correct: one line on stderr, exit code 1."""


def plain(text: str) -> str:
    """Return `text` escaped from rich's markup."""
    return text.replace("[", r"\[")


def database_file(settings: Settings) -> Path | None:
    """Return the absolute path of an SQLite database's file; None for a server's database."""
    url = make_url(settings.database_url)
    is_file = url.get_backend_name() == "sqlite" and url.database is not None
    return Path(str(url.database)).absolute() if is_file else None


def check_database_file(settings: Settings) -> None:
    """Create the folder of an SQLite file. Raises Failure if the file cannot be opened, OSError."""
    file = database_file(settings)
    if file is None:
        return
    make_private(file.parent)
    make_private_file(file)
    try:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        raise Failure(f"the database {file}: {error}") from None


@contextmanager
def database_failures(settings: Settings) -> Iterator[None]:
    """Raise Failure, which names an SQLite file, for errors of the database."""
    try:
        yield
    except (DatabaseUnavailable, TransactionConflict, SQLAlchemyError, sqlite3.Error) as error:
        file = database_file(settings)
        name, more = (f" {file}", "") if file else ("", ". `keystead check` tells more")
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise Failure(f"the database{name}: {reason}{more}") from error


def with_resources(
    work: Callable[[Resources], Awaitable[Result]], *, must_be_ready: bool = True
) -> Result:
    """Run `work` with resources for the settings. Raises Failure if the database is not ready."""
    settings = Settings()
    check_database_file(settings)

    async def run() -> Result:
        configure_logging(settings.log_level, as_json=settings.is_production)
        async with open_resources(settings) as resources:
            if must_be_ready:
                problem = await revisions.find_problem(resources.database, TABLES)
                if problem is not None:
                    raise Failure(problem)
            return await work(resources)

    with database_failures(settings):
        return asyncio.run(run())
