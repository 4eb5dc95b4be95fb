"""What another tool, or one that was cut short, left in a database and migrations trip over."""

from typing import NamedTuple

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.schema import ROOT, Revisions, head, is_known, plan, revisions

Tables = dict[str, frozenset[str]]
"""The names of columns, by table."""

BATCH_PREFIX = "_alembic_tmp_"


class Found(NamedTuple):
    """What is in a database: revisions in alembic_version (None: no such table), and tables."""

    recorded: list[str] | None
    tables: Tables


class Unfit(Exception):
    """The database must not be migrated; the message says why, and the way out."""


async def examined(url: str) -> Revisions:
    """Return where the database stands that is to be migrated. Raises Unfit.

    On a newer release's schema, nothing else is looked at.
    """
    async with Database(url) as database:
        async with database.transaction() as session:
            found = await revisions(session)
        said = None if found.newer else await fault(database)
    if said is not None:
        raise Unfit(f"the database is not as a migration can use it: {said}")
    return found


async def fault(database: Database) -> str | None:
    """Return what keeps `database` from being migrated, and the way out; None if nothing does.

    Changes nothing. Raises OperationalError or OSError if the database is away.
    """
    found = await _look(database)
    while (said := _judge(found, database.engine.dialect.name)) is not None:
        # Another migrator may have been at work between the first look at a thing and the last.
        before, found = found, await _look(database)
        if before == found:
            return said
    return None


async def _look(database: Database) -> Found:
    async with database.transaction() as session:
        recorded = await _recorded(session)
        tables = await (await session.connection()).run_sync(_tables)
    return Found(recorded, tables)


async def _recorded(session: AsyncSession) -> list[str] | None:
    connection = await session.connection()
    if not await connection.run_sync(lambda c: inspect(c).has_table("alembic_version")):
        return None
    found = await session.scalars(text("SELECT version_num FROM alembic_version ORDER BY 1"))
    return list(found)


def _tables(connection: Connection) -> Tables:
    columns = inspect(connection).get_multi_columns()
    return {table: frozenset(c["name"] for c in found) for (_, table), found in columns.items()}


def _judge(found: Found, dialect: str) -> str | None:
    recorded = found.recorded or []
    if recorded == [head()] or not found.tables.keys() - {"alembic_version"}:
        return None
    for table in found.tables:
        if table.startswith(BATCH_PREFIX):
            return _cut_short(table, found.tables)
    made = history()
    ours = {table for tables in made.values() for table in tables} & found.tables.keys()
    if len(recorded) > 1:
        what = f"alembic_version holds {' and '.join(recorded)}, where one belongs"
    elif recorded and not is_known(recorded[0]):
        what = f"it is at revision {recorded[0]!r}, which is none of Keystead's"
    elif not recorded and ours and not _begun(found, made, dialect):
        state = "missing" if found.recorded is None else "empty"
        what = f"it holds {', '.join(sorted(ours))}, but alembic_version is {state}"
    else:
        return _other_columns(found, made)
    return f"{what}; {_mend(found, made)}"


def _begun(found: Found, made: dict[str, Tables], dialect: str) -> bool:
    """Tell whether a kill during the first revision left this: there, each statement commits."""
    by_the_first = {*next(iter(made.values())), "alembic_version"}
    return dialect in ("mysql", "mariadb") and found.tables.keys() <= by_the_first


def _cut_short(draft: str, tables: Tables) -> str:
    table = draft.removeprefix(BATCH_PREFIX)
    mend = (
        f"once you have seen that {table} is whole, DROP TABLE {draft}"
        if table in tables
        else f"{table} is gone and this is it: ALTER TABLE {draft} RENAME TO {table}"
    )
    return f"it holds {draft}, left by a migration that was cut short; {mend}"


def _mend(found: Found, made: dict[str, Tables]) -> str:
    """Name the revision whose tables these are, if there is one, and how to record it."""
    alike = [name for name, tables in made.items() if tables.items() <= found.tables.items()]
    if not alike:
        return (
            "its tables are those of no revision: mend them by hand and record the revision with "
            "`alembic stamp --purge`, or name an empty database"
        )
    return f"its tables are those of {alike[-1]}: `alembic stamp --purge {alike[-1]}` records that"


def _other_columns(found: Found, made: dict[str, Tables]) -> str | None:
    """Tell of a table that is neither what the next revisions begin with nor what they make.

    One that was killed half-way leaves something in between, and is run again.
    """
    current = found.recorded[0] if found.recorded else None
    before = made[current] if current else {}
    stages = [before, *(made[revision] for revision in plan("head", current))]
    for table, columns in found.tables.items():
        shapes = [stage[table] for stage in stages if table in stage]
        if not shapes:
            continue
        missing = frozenset.intersection(*shapes) - columns
        # What somebody added to a table that we had made is theirs.
        strange = columns - frozenset.union(*shapes) if table not in before else frozenset()
        if missing or strange:
            what = [f"without {name}" for name in sorted(missing)]
            what += [f"with {name}" for name in sorted(strange)]
            return (
                f"it holds a table {table} {', '.join(what)}, which no revision makes so; "
                "move it away, or mend it by hand"
            )
    return None


def history() -> dict[str, Tables]:
    """Return the tables that are there after each revision, oldest first, by running them all."""
    from alembic.config import Config
    from alembic.operations import Operations
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(ROOT / "migrations"))
    made: dict[str, Tables] = {}
    engine = create_engine("sqlite://")
    with engine.connect() as connection, EnvironmentContext(Config(), scripts):
        migration = MigrationContext.configure(connection, opts={"transactional_ddl": True})
        for script in reversed(list(scripts.walk_revisions())):
            with migration.begin_transaction(), Operations.context(migration):
                script.module.upgrade()
                made[script.revision] = _tables(connection)
    engine.dispose()
    return made
