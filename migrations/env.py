"""Alembic's environment: one migrator at a time, each revision atomic, on every database."""

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
from sqlalchemy import Connection, Table, TypeDecorator, event, inspect
from sqlalchemy.util import set_creation_order

from app.database.engine import Database
from app.models import metadata
from app.schema.version_table import VERSION_TABLE, may_be_former, read_former, takeover_sql
from app.settings.model import Settings
from migrations.orphans import refuse_orphans
from migrations.poolers import unshared_sessions
from migrations.waits import migration_lock, patiently

log = logging.getLogger("alembic.env")


def configure(**target: Any) -> None:
    """Configure Alembic for a connection, or for a URL when only SQL is wanted."""
    context.configure(
        target_metadata=metadata,
        # SQLite can roll DDL back, unlike Alembic's default for it.
        transactional_ddl=None if _dialect(target) != "sqlite" else True,
        transaction_per_migration=True,
        # A batch would rebuild the table on SQLite and write its SQL anew. Without it op.add_column
        # is the same everywhere, and SQLite refuses the steps that need `with
        # op.batch_alter_table`.
        render_as_batch=False,
        render_item=render_plain_type,
        process_revision_directives=number_the_revision,
        on_version_apply=finish_revision,
        version_table=VERSION_TABLE,
        include_name=is_ours,
        **target,
    )


@event.listens_for(Table, "before_create")
def order_constraints(table: Table, *_: Any, **__: Any) -> None:
    """Order the constraints of a table that SQLite rebuilds: Alembic's batch has them in a set."""
    if table.name.startswith("_alembic_tmp_"):
        for constraint in sorted(table.constraints, key=lambda constraint: str(constraint.name)):
            set_creation_order(constraint)


def is_ours(name: str | None, kind: str, _: Any) -> bool:
    """Return whether autogenerate may look at a table: the database may have others' too."""
    return kind != "table" or name in metadata.tables


def _dialect(target: dict[str, Any]) -> str:
    if "connection" in target:
        return str(target["connection"].dialect.name)
    return str(target["url"].partition(":")[0].partition("+")[0])


def render_plain_type(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Render our column types as the types they store: a revision imports nothing of the app."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return str(_repr_type(item.impl_instance, autogen))
    return False


def number_the_revision(
    migration: MigrationContext, revision: Any, directives: Iterable[MigrationScript]
) -> None:
    """Number a new revision after the newest: 0009_slug.py."""
    head = context.script.get_current_head() or "0"
    for directive in directives:
        directive.rev_id = f"{int(head) + 1:04d}"


def finish_revision(ctx: MigrationContext, step: MigrationInfo, *_: Any, **__: Any) -> None:
    """Check a revision before it is committed, and report it."""
    check_foreign_keys(ctx)
    applied = context.config.attributes.get("applied")
    if applied is not None:
        applied(step.up_revision_id)


def check_foreign_keys(ctx: MigrationContext) -> None:
    """Refuse to commit a revision that left orphaned rows: SQLite does not check."""
    if ctx.dialect.name == "sqlite" and not ctx.as_sql:
        assert ctx.connection is not None
        found = ctx.connection.exec_driver_sql("PRAGMA foreign_key_check")
        orphans = [row for row in found if row[0] in metadata.tables]
        if orphans:
            raise RuntimeError(f"rows without their parent after this revision: {orphans[:10]}")


def migrate(connection: Connection) -> None:
    """Run Alembic's command on a connection."""
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        # Rebuilding a table drops it first, which would delete the children that cascade.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        if connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() != 0:
            raise RuntimeError("foreign keys are still on: is a transaction open?")
        connection.commit()
    configure(connection=connection)
    take_over(connection)
    if context.get_head_revision() not in context.get_context().get_current_heads():
        refuse_orphans(connection, metadata.tables)
    connection.commit()
    with context.begin_transaction():
        context.run_migrations()
    if sqlite:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def take_over(connection: Connection) -> None:
    """Record the revision that only `alembic_version` has, if that is ours."""
    former = read_former(inspect(connection))
    if former is not None and not context.get_context().get_current_heads():
        context.get_context().stamp(context.script, former[0])


def take_over_offline() -> None:
    """Print the same for a database that is at the revision to start from."""
    start = context.get_starting_revision_argument()
    if may_be_former(str(start)):
        for statement in takeover_sql(str(start)):
            context.execute(statement)


async def migrate_online(url: str) -> None:
    """Migrate under the lock, with short waits. Raises TimeoutError if the tables stay in use."""
    say = context.config.attributes.get("waits", log.info)
    async with (
        Database(url, bounded=False) as database,
        unshared_sessions(database.engine),
        migration_lock(database.engine, say),
        database.engine.connect() as connection,
    ):
        await patiently(connection, migrate, say)


if context.config.config_file_name is not None and not context.config.attributes.get("quiet"):
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
# Given by `keystead migrate`; the `alembic` command is an entry point of its own.
database_url = context.config.attributes.get("database_url") or Settings().migration_url
if context.is_offline_mode():
    configure(url=database_url, literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        take_over_offline()
        context.run_migrations()
else:
    asyncio.run(migrate_online(database_url))
