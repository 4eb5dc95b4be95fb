"""The resources that requests, jobs and commands share, opened once a process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.crypto.access_tokens import AccessTokens, signing_keys
from app.crypto.passwords import Passwords
from app.crypto.refresh_tokens import RefreshTokens
from app.crypto.tokens import Signer
from app.database.engine import Database
from app.settings.model import Settings


@dataclass(frozen=True)
class Resources:
    """The settings, and the objects that are built from them."""

    settings: Settings
    database: Database
    passwords: Passwords
    signer: Signer
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    mail_waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when mail was committed to the outbox: the courier of this process delivers it."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process was asked to stop: jobs do not start any more."""


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open the resources for `settings`, and close them at the end. Connects to nothing yet."""
    passwords = Passwords(settings)
    try:
        async with _database(settings) as database:
            yield _resources(settings, database, passwords)
    finally:
        passwords.close()


def _resources(settings: Settings, database: Database, passwords: Passwords) -> Resources:
    secrets = settings.secret_keys()
    keys = signing_keys(settings.private_keys(), secrets)
    return Resources(
        settings,
        database,
        passwords,
        Signer(*secrets),
        AccessTokens(keys, settings.base_url, settings.access_audience),
        RefreshTokens(*secrets),
    )


@asynccontextmanager
async def open_probe_database(settings: Settings, resources: Resources) -> AsyncIterator[Database]:
    """Give a database with connections of its own, for use while all others are in use.

    One for readiness probes and one for scrapes, neither of which waits for the other. On Lambda,
    where a process serves one request at a time, it is that of `resources`.
    """
    if settings.lambda_function is not None:
        yield resources.database
        return
    async with _database(settings, connections=2) as database:
        yield database


def schema_database(settings: Settings) -> Database:
    """Return the database to examine before a migration: past a pooler, if there is a way."""
    if settings.migrate_database_url is not None:
        return Database(settings.migrate_database_url)
    return _database(settings)


def _database(settings: Settings, connections: int | None = None) -> Database:
    return Database(
        settings.database_url,
        connections=connections or settings.database_connections,
        single=settings.lambda_function is not None,
        current_url=settings.current_database_url if settings.secrets else None,
        pooler=settings.database_pooler,
    )
