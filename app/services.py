"""What requests, jobs and commands share, opened once a process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from app.database import Database
from app.passwords import Passwords
from app.settings import Settings
from app.signing import Signer


@dataclass(frozen=True)
class Services:
    """The settings and what was made of them."""

    settings: Settings
    database: Database
    passwords: Passwords
    signer: Signer
    # Set when a message was committed to the outbox, for whoever delivers in this process.
    mail_waiting: asyncio.Event = field(default_factory=asyncio.Event)
    # Set when the process was asked to stop: whoever works by the clock begins nothing new.
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open the services for `settings`, and close them at the end. Connects to nothing yet."""
    passwords = Passwords(settings)
    try:
        async with _database(settings) as database:
            yield Services(settings, database, passwords, Signer(settings.signing_key()))
    finally:
        passwords.close()


def _database(settings: Settings) -> Database:
    renewed = (lambda: Settings().database_url) if settings.secrets else None
    return Database(
        settings.database_url,
        connections=settings.database_connections,
        single=settings.lambda_function is not None,
        renewed=renewed,
    )


async def get_services(request: Request) -> Services:
    """Give a request the services of its process."""
    services: Services = request.state.services
    return services


ServicesDep = Annotated[Services, Depends(get_services)]
