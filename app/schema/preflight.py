"""The checks of a database before it is migrated."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, inspect

from app.database.engine import Database
from app.schema.revisions import Revisions, head, incomplete, is_known, names, read_revisions
from app.schema.version_table import (
    FORMER_TABLE,
    VERSION_TABLE,
    missing_columns,
    read_recorded,
)

_BATCH_PREFIX = "_alembic_tmp_"
_FIRST_TABLE = "user_account"
"""The only table of revision 0001."""


class PreflightError(Exception):
    """The database must not be migrated. The message says why, and the remedy."""


class _State(NamedTuple):
    """The state of a database before a migration.

    `recorded`: the revisions in the version table, None if there is no such table. `tables`: in
    the schema that gets new tables, other applications' among them. `missing`: the columns that the
    recorded revision should have.
    """

    recorded: list[str] | None
    tables: frozenset[str]
    missing: list[str]


async def check_migratable(database: Database, ours: Collection[str]) -> Revisions:
    """Return the revisions of `database`, and close it. Raises PreflightError, DatabaseUnavailable.

    `ours`: the names of this release's tables. The schema of a newer release is not checked.
    """
    async with database:
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
        return await connection.run_sync(_read)


def _read(connection: Connection) -> _State:
    inspector = inspect(connection)
    recorded = read_recorded(inspector)
    # Without the schema's name, all tables of PostgreSQL's search path.
    tables = frozenset(inspector.get_table_names(inspector.default_schema_name))
    is_known_one = recorded is not None and len(recorded) == 1 and is_known(recorded[0])
    missing = missing_columns(inspector, recorded[0]) if recorded and is_known_one else []
    return _State(recorded, tables, missing)


def _judge(state: _State, ours: Collection[str], dialect: str) -> str | None:
    recorded = state.recorded or []
    if len(recorded) > 1:
        return (
            f"{VERSION_TABLE} holds {' and '.join(recorded)}: record the one it is at with "
            "`alembic stamp --purge`"
        )
    if recorded and not is_known(recorded[0]):
        return (
            f"it is at revision {recorded[0]!r}, which is none of Keystead's: name another database"
        )
    if recorded and state.tables.isdisjoint({VERSION_TABLE, FORMER_TABLE}):
        return (
            f"its {VERSION_TABLE} is in another schema than the one in which new tables would be "
            "created: put that schema first in the search path"
        )
    if recorded != [head()]:
        for table in sorted(ours):
            if _BATCH_PREFIX + table in state.tables:
                return _unfinished_batch(table, state.tables)
    if recorded:
        return _missing(recorded[0], state, ours)
    found = sorted(state.tables & set(ours))
    if not found or _killed_in_first_revision(state, found, dialect):
        return None
    missing = "missing" if state.recorded is None else "empty"
    return (
        f"it holds {', '.join(found)}, but {VERSION_TABLE} is {missing}: if Keystead created them, "
        f"record their revision ({next(iter(names()))} to {head()}) with `alembic stamp --purge`; "
        "else name an empty database"
    )


def _missing(revision: str, state: _State, ours: Collection[str]) -> str | None:
    """Return which parts of the schema at `revision` are not there, or None."""
    lost = set(ours) - state.tables if revision == head() else set()
    gone = sorted(lost | {column for column in state.missing if column.split(".")[0] not in lost})
    return incomplete(revision, gone) if gone else None


def _killed_in_first_revision(state: _State, found: list[str], dialect: str) -> bool:
    """Return whether revision 0001 was interrupted: MySQL and MariaDB commit each statement."""
    return dialect in ("mysql", "mariadb") and found == [_FIRST_TABLE] and state.recorded == []


def _unfinished_batch(table: str, tables: Collection[str]) -> str:
    """Explain the draft of `table` that another tool's SQLite migration left when it was killed."""
    draft = _BATCH_PREFIX + table
    remedy = (
        f"check that {table} is complete, then DROP TABLE {draft}"
        if table in tables
        else f"{table} is gone and this is it: ALTER TABLE {draft} RENAME TO {table}"
    )
    return f"it holds {draft}, left by a migration that was interrupted: {remedy}"
