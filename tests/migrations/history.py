"""The revisions, and moves of a test's database between them."""

import asyncio
from collections.abc import Mapping
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Boolean, ColumnClause, Connection, Insert, column, inspect, table

from app.database.types import Id, UTCDateTime
from app.schema.revisions import ROOT
from app.schema.version_table import FORMER_TABLE, VERSION_TABLE
from app.settings.database_url import with_driver
from tests.databases import database_url, in_database
from tests.databases.server import open_engine
from tests.migrations.rows import Rows

MIGRATIONS = ROOT / "migrations"
VERSION_TABLES = (VERSION_TABLE, FORMER_TABLE)


def revisions(migrations: Path = MIGRATIONS) -> list[str]:
    """Return the revisions, the oldest first."""
    scripts = ScriptDirectory(str(migrations)).walk_revisions()
    return [script.revision for script in scripts][::-1]


REVISIONS = revisions()


def before(revision: str) -> str:
    """Return the revision before `revision`."""
    at = REVISIONS.index(revision)
    return REVISIONS[at - 1] if at else "base"


def rows_of(revision: str) -> Any:
    """Return the module of rows of `revision`. Raises ModuleNotFoundError."""
    return import_module(f"tests.migrations.rows.r{revision}")


def config(database: str, migrations: Path = MIGRATIONS, output: StringIO | None = None) -> Config:
    """Return Alembic's configuration for the URL of a database."""
    attributes = {"quiet": True, "database_url": with_driver(database)}
    made = Config(attributes=attributes, output_buffer=output, stdout=output or StringIO())
    made.set_main_option("script_location", str(migrations).replace("%", "%%"))
    return made


def upgrade(folder: Path, revision: str) -> None:
    command.upgrade(config(database_url(folder)), revision)


def before_the_takeover(folder: Path) -> None:
    """Record the database's revision as releases before 0008 did, in `alembic_version`."""
    for statement in (
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
        "INSERT INTO alembic_version SELECT version_num FROM keystead_version",
        "DROP TABLE keystead_version",
    ):
        in_database(folder, statement)


def downgrade(folder: Path, revision: str) -> None:
    command.downgrade(config(database_url(folder)), revision)


def offline_sql(folder: Path, revision_range: str, migrations: Path = MIGRATIONS) -> str:
    """Return the SQL that migrates the folder's database along `revision_range`."""
    output = StringIO()
    alembic = config(database_url(folder), migrations, output)
    command.upgrade(alembic, revision_range, sql=True)
    return output.getvalue()


async def _in(database: str, work: Any, *arguments: Any) -> Any:
    engine = open_engine(database)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work, *arguments)
    finally:
        await engine.dispose()


def run_in(folder: Path, work: Any, *arguments: Any) -> Any:
    """Call `work` with a connection to the folder's database, in autocommit mode."""
    return asyncio.run(_in(database_url(folder), work, *arguments))


def fill(folder: Path, rows: Rows) -> None:
    """Insert `rows` as the application writes them."""
    run_in(folder, _fill, rows)


def _fill(connection: Connection, rows: Rows) -> None:
    for name, values in rows.items():
        for row in values:
            connection.execute(insert_into(name, row))


def insert_into(name: str, row: Mapping[str, Any]) -> Insert:
    """Return the statement that inserts `row`, with types by its values, not by the columns."""
    columns = [_column(key, value) for key, value in row.items()]
    return table(name, *columns).insert().values(**row)


def _column(name: str, value: Any) -> ColumnClause[Any]:
    types: dict[str, Any] = {
        "UUID": Id,
        "datetime": UTCDateTime(),
        "bool": Boolean(),
        "dict": JSON(),
    }
    found = types.get(type(value).__name__)
    return column(name) if found is None else column(name, found)


Stored = dict[str, list[dict[str, Any]]]


def stored(folder: Path) -> Stored:
    """Return all rows as the driver returns them, by table, in a stable order."""
    found: Stored = run_in(folder, _stored)
    return found


def _stored(connection: Connection) -> Stored:
    found: Stored = {}
    for name in sorted(inspect(connection).get_table_names()):
        if name not in VERSION_TABLES:
            selected = connection.exec_driver_sql(f"SELECT * FROM {name}")
            found[name] = sorted((dict(row) for row in selected.mappings()), key=repr)
    return found


def without(rows: Stored, losses: dict[str, set[str] | None]) -> Stored:
    """Return `rows` without the lost tables (None) or columns."""
    kept: Stored = {}
    for name, values in rows.items():
        lost = losses.get(name, set())
        if lost is not None:
            less = [{k: v for k, v in row.items() if k not in lost} for row in values]
            kept[name] = sorted(less, key=repr)
    return kept
