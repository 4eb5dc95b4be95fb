"""How a migration runs: one at a time, each revision whole, the same on every database."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from logging.config import fileConfig
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type
from alembic.operations import MigrationScript
from alembic.runtime.migration import MigrationContext
from filelock import FileLock
from sqlalchemy import Connection, TypeDecorator, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database import Database
from app.models import metadata
from app.settings import Settings

LOCK_NAME = "keystead migrate"
# For pg_advisory_lock: any number, as long as it is always the same one.
LOCK_NUMBER = 5_327_861_940
LOCK_SECONDS = 60


def configure(**target: Any) -> None:
    """Configure Alembic for a connection, or for a URL when only SQL is wanted."""
    context.configure(
        target_metadata=metadata,
        # SQLite can roll DDL back, which Alembic does not know.
        transactional_ddl=None if _dialect(target) != "sqlite" else True,
        transaction_per_migration=True,
        render_as_batch=_dialect(target) == "sqlite",
        render_item=render_plain_type,
        process_revision_directives=number_the_revision,
        on_version_apply=check_foreign_keys,
        **target,
    )


def _dialect(target: dict[str, Any]) -> str:
    if "connection" in target:
        return str(target["connection"].dialect.name)
    return str(target["url"].partition(":")[0].partition("+")[0])


def render_plain_type(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Spell our own column types as what they store: a revision imports nothing of the app."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return str(_repr_type(item.impl_instance, autogen))
    return False


def number_the_revision(
    migration: MigrationContext, revision: Any, directives: Iterable[MigrationScript]
) -> None:
    """Name a new revision by the number after the newest: 0007_slug.py."""
    head = context.script.get_current_head() or "0"
    for directive in directives:
        directive.rev_id = f"{int(head) + 1:04d}"


def check_foreign_keys(ctx: MigrationContext, *_: Any, **__: Any) -> None:
    """Refuse to commit a revision that left rows without their parent; SQLite does not look."""
    if ctx.dialect.name == "sqlite" and not ctx.as_sql:
        assert ctx.connection is not None
        orphans = ctx.connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if orphans:
            raise RuntimeError(f"rows without their parent after this revision: {orphans[:10]}")


@asynccontextmanager
async def migration_lock(engine: AsyncEngine) -> AsyncIterator[None]:
    """Let one migrator at a time at this database. Raises TimeoutError after LOCK_SECONDS."""
    if engine.dialect.name == "sqlite":
        with FileLock(f"{engine.url.database}.migrate.lock", timeout=LOCK_SECONDS):
            yield
        return
    async with engine.connect() as connection:
        # In autocommit: a lock held by an open transaction would stop others' index builds.
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        if engine.dialect.name == "postgresql":
            take = text(f"SELECT pg_try_advisory_lock({LOCK_NUMBER})")
            release = text(f"SELECT pg_advisory_unlock({LOCK_NUMBER})")
        else:
            # The name counts for the whole server, and has at most 64 characters.
            name = f"CONCAT('{LOCK_NAME} ', LEFT(SHA2(DATABASE(), 256), 40))"
            take, release = (
                text(f"SELECT GET_LOCK({name}, 0)"),
                text(f"SELECT RELEASE_LOCK({name})"),
            )
        deadline = time.monotonic() + LOCK_SECONDS
        while not await connection.scalar(take):
            if time.monotonic() > deadline:
                raise TimeoutError(f"another migration has been at work for {LOCK_SECONDS} s")
            await asyncio.sleep(0.2)
        try:
            yield
        finally:
            await connection.execute(release)


def migrate(connection: Connection) -> None:
    """Run what Alembic was asked to run."""
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        # A table that is rebuilt is dropped first, and takes its children along where they cascade.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        if connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() != 0:
            raise RuntimeError("foreign keys are still on: is a transaction open?")
        connection.commit()
    configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
    if sqlite:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


async def migrate_online(url: str) -> None:
    async with (
        Database(url) as database,
        migration_lock(database.engine),
        database.engine.connect() as connection,
    ):
        await connection.run_sync(migrate)


if context.config.config_file_name is not None and not context.config.attributes.get("quiet"):
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
database_url = Settings().database_url
if context.is_offline_mode():
    configure(url=database_url, literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(migrate_online(database_url))
