"""How a migration runs: one at a time, each revision whole, the same on every database."""

import asyncio
import logging
from collections.abc import Iterable
from logging.config import fileConfig
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type
from alembic.operations import MigrationScript
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection, TypeDecorator

from app.database.engine import Database
from app.models import metadata
from app.settings.model import Settings
from migrations.orphans import refuse_orphans
from migrations.waits import migration_lock, patiently

log = logging.getLogger("alembic.env")


def configure(**target: Any) -> None:
    """Configure Alembic for a connection, or for a URL when only SQL is wanted."""
    context.configure(
        target_metadata=metadata,
        # SQLite can roll DDL back, which Alembic does not know.
        transactional_ddl=None if _dialect(target) != "sqlite" else True,
        transaction_per_migration=True,
        # Off: op.add_column means the same everywhere, where a batch rebuilds the table on SQLite
        # and writes its SQL anew. What SQLite cannot alter in place fails there, loudly: whoever
        # drops a constraint, or a column that has one, writes `with op.batch_alter_table` by hand.
        render_as_batch=False,
        render_item=render_plain_type,
        process_revision_directives=number_the_revision,
        on_version_apply=finish_revision,
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


def finish_revision(ctx: MigrationContext, step: MigrationInfo, *_: Any, **__: Any) -> None:
    """Check what a revision did, before it is committed, and tell whoever asked for it."""
    check_foreign_keys(ctx)
    applied = context.config.attributes.get("applied")
    if applied is not None:
        applied(step.up_revision_id)


def check_foreign_keys(ctx: MigrationContext) -> None:
    """Refuse to commit a revision that left rows without their parent; SQLite does not look."""
    if ctx.dialect.name == "sqlite" and not ctx.as_sql:
        assert ctx.connection is not None
        orphans = ctx.connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if orphans:
            raise RuntimeError(f"rows without their parent after this revision: {orphans[:10]}")


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
    if context.get_head_revision() not in context.get_context().get_current_heads():
        refuse_orphans(connection)
    connection.commit()
    with context.begin_transaction():
        context.run_migrations()
    if sqlite:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


async def migrate_online(url: str) -> None:
    """Run it alone, and stall nobody for long. Raises TimeoutError if others leave no room."""
    say = context.config.attributes.get("waits", log.info)
    async with (
        Database(url, bounded=False) as database,
        migration_lock(database.engine, say),
        database.engine.connect() as connection,
    ):
        await patiently(connection, migrate, say)


if context.config.config_file_name is not None and not context.config.attributes.get("quiet"):
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
# Given by `keystead migrate`; the `alembic` command is an entry point of its own.
database_url = context.config.attributes.get("database_url") or Settings().database_url
if context.is_offline_mode():
    configure(url=database_url, literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(migrate_online(database_url))
