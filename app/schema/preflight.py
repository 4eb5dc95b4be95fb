"""The checks of a database before it is migrated."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.engine import Database
from app.schema.revisions import Revisions, head, is_known, names, read_revisions

VERSION_TABLE = "alembic_version"
_BATCH_PREFIX = "_alembic_tmp_"
_FIRST_TABLE = "user_account"
"""The only table of revision 0001."""


class PreflightError(Exception):
    """The database must not be migrated. The message says why, and the remedy."""


class _State(NamedTuple):
    """The revisions in the version table (None: there is no such table), and all tables."""

    recorded: list[str] | None
    tables: frozenset[str]


async def check_migratable(url: str, ours: Collection[str]) -> Revisions:
    """Return the revisions of the database at `url`. Raises PreflightError, DatabaseUnavailable.

    `ours`: the names of this release's tables. The schema of a newer release is not checked.
    """
    async with Database(url) as database:
        async with database.transaction() as session:
            found = await read_revisions(session)
        problem = None if found.newer else await find_problem(database, ours)
    if problem is not None:
        raise PreflightError(f"the database cannot be migrated: {problem}")
    return found


async def find_problem(database: Database, ours: Collection[str]) -> str | None:
    """Return why `database` cannot be migrated, with the remedy, or None. Changes nothing."""
    state = await _read_state(database)
    while (problem := _judge(state, ours, database.engine.dialect.name)) is not None:
        # A migration that runs meanwhile changes tables and version table one after the other.
        before, state = state, await _read_state(database)
        if before == state:
            return problem
    return None


async def _read_state(database: Database) -> _State:
    async with database.transaction() as session:
        connection = await session.connection()
        tables = await connection.run_sync(lambda c: frozenset(inspect(c).get_table_names()))
        recorded = await _read_versions(session) if VERSION_TABLE in tables else None
    return _State(recorded, tables)


async def _read_versions(session: AsyncSession) -> list[str]:
    found = await session.scalars(text("SELECT version_num FROM alembic_version ORDER BY 1"))
    return list(found)


def _judge(state: _State, ours: Collection[str], dialect: str) -> str | None:
    recorded = state.recorded or []
    if recorded == [head()]:
        return None
    for table in state.tables:
        if table.startswith(_BATCH_PREFIX):
            return _unfinished_batch(table, state.tables)
    if len(recorded) > 1:
        return (
            f"{VERSION_TABLE} holds {' and '.join(recorded)}: record the one it is at with "
            "`alembic stamp --purge`"
        )
    if recorded and not is_known(recorded[0]):
        return (
            f"it is at revision {recorded[0]!r}, which is none of Keystead's: name another database"
        )
    found = sorted(state.tables & set(ours))
    if recorded or not found or _killed_in_first_revision(state, dialect):
        return None
    missing = "missing" if state.recorded is None else "empty"
    return (
        f"it holds {', '.join(found)}, but {VERSION_TABLE} is {missing}: if Keystead created them, "
        f"record their revision ({next(iter(names()))} to {head()}) with `alembic stamp --purge`; "
        "else name an empty database"
    )


def _killed_in_first_revision(state: _State, dialect: str) -> bool:
    """Return whether revision 0001 was interrupted: MySQL and MariaDB commit each statement."""
    return dialect in ("mysql", "mariadb") and state.tables <= {_FIRST_TABLE, VERSION_TABLE}


def _unfinished_batch(draft: str, tables: Collection[str]) -> str:
    """Explain the table that another tool's SQLite migration left when it was killed."""
    table = draft.removeprefix(_BATCH_PREFIX)
    remedy = (
        f"check that {table} is complete, then DROP TABLE {draft}"
        if table in tables
        else f"{table} is gone and this is it: ALTER TABLE {draft} RENAME TO {table}"
    )
    return f"it holds {draft}, left by a migration that was interrupted: {remedy}"
