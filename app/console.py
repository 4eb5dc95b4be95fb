"""What the parts of the `keystead` command share."""

import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from sqlalchemy import make_url

from app import schema
from app.folders import make_private
from app.logs import configure_logging
from app.services import Services, open_services
from app.settings import Settings

Result = TypeVar("Result")

# What is piped elsewhere is not folded to the width of a screen that is not there.
out = Console(
    soft_wrap=True, highlight=False, emoji=False, width=None if sys.stdout.isatty() else 160
)
err = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)


class Failure(Exception):
    """Something the person at the keyboard can mend: said in a line, exit code 1."""


def plain(text: str) -> str:
    """Return `text` so that rich takes nothing in it for markup."""
    return text.replace("[", r"\[")


def database_file(settings: Settings) -> Path | None:
    """Return where SQLite's file is, in full; None if the database is a server's."""
    url = make_url(settings.database_url)
    is_file = url.get_backend_name() == "sqlite" and url.database is not None
    return Path(str(url.database)).absolute() if is_file else None


def usable_settings() -> Settings:
    """Return the settings. Raises Failure if they name a file of SQLite's that cannot be opened,
    OSError if its folder cannot be made."""
    settings = Settings()
    file = database_file(settings)
    if file is not None:
        make_private(file.parent)
        try:
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("PRAGMA schema_version")
        except sqlite3.Error as error:
            raise Failure(f"the database {file}: {error}") from None
    return settings


def with_services(
    work: Callable[[Services], Awaitable[Result]], *, must_be_ready: bool = True
) -> Result:
    """Do `work` with services made of the settings. Raises Failure if the database is not ready."""
    settings = usable_settings()

    async def run() -> Result:
        configure_logging(settings)
        async with open_services(settings) as services:
            if must_be_ready and (fault := await schema.fault(services.database)) is not None:
                raise Failure(fault)
            return await work(services)

    return asyncio.run(run())
