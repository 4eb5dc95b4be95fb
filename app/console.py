"""What the parts of the `keystead` command share."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rich.console import Console

from app import health
from app.logs import configure_logging
from app.services import Services, open_services
from app.settings import Settings

Result = TypeVar("Result")

# What is piped elsewhere is not folded to the width of a screen that is not there.
out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, soft_wrap=True, highlight=False)


class Failure(Exception):
    """Something the person at the keyboard can mend: said in a line, exit code 1."""


def plain(text: str) -> str:
    """Return `text` so that rich takes nothing in it for markup."""
    return text.replace("[", r"\[")


def with_services(
    work: Callable[[Services], Awaitable[Result]], *, must_be_ready: bool = True
) -> Result:
    """Do `work` with services made of the settings. Raises Failure if the database is not ready."""

    async def run() -> Result:
        settings = Settings()
        configure_logging(settings)
        async with open_services(settings) as services:
            if must_be_ready and (fault := await health.fault(services.database)) is not None:
                raise Failure(fault)
            return await work(services)

    return asyncio.run(run())
