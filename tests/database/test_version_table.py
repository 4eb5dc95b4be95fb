"""The version table, in databases that other applications use too."""

import asyncio
from pathlib import Path

import pytest
from alembic import command

from app.database.engine import Database
from app.models import TABLES
from app.schema import preflight, revisions
from app.schema.preflight import PreflightError
from app.schema.revisions import Revisions, head
from tests.databases import database_url, in_database, server
from tests.migrations.history import REVISIONS, before_the_takeover, config, upgrade
from tests.service import make_environment, settings_from

NEIGHBOURS = {
    "numbers like ours": ["INSERT INTO alembic_version VALUES ('0003')"],
    "its newest is ours": [f"INSERT INTO alembic_version VALUES ('{head()}')"],
    "it has two": ["INSERT INTO alembic_version VALUES ('0001'), ('0002')"],
    "it has none yet": [],
}
THEIRS = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"


def recorded(folder: Path, table: str = "keystead_version") -> list[str]:
    return [row[0] for row in in_database(folder, f"SELECT version_num FROM {table} ORDER BY 1")]


def url_of(folder: Path) -> str:
    return settings_from(make_environment(folder)).database_url


def check(folder: Path) -> Revisions:
    return asyncio.run(preflight.check_migratable(Database(url_of(folder)), TABLES))


def find_problem(folder: Path) -> str | None:
    async def ask() -> str | None:
        async with Database(url_of(folder)) as database:
            return await revisions.find_problem(database, TABLES)

    return asyncio.run(ask())


def at_former(folder: Path, revision: str) -> None:
    upgrade(folder, revision)
    before_the_takeover(folder)


@pytest.mark.parametrize("revision", ["0001", "0005", "0007"])
def test_a_revision_is_taken_over(folder: Path, revision: str) -> None:
    at_former(folder, revision)
    assert check(folder).current == revision
    run: list[str] = []
    to_head = config(database_url(folder))
    to_head.attributes["applied"] = run.append
    command.upgrade(to_head, "head")
    assert run == REVISIONS[REVISIONS.index(revision) + 1 :]
    assert recorded(folder) == [head()]
    assert recorded(folder, "alembic_version") == [revision]
    assert check(folder).current == head()
    assert find_problem(folder) is None


def test_a_takeover_that_was_killed_is_continued(folder: Path) -> None:
    """MySQL and MariaDB commit CREATE TABLE before the row is inserted."""
    at_former(folder, "0004")
    in_database(folder, THEIRS.replace("alembic_version", "keystead_version"))
    assert check(folder).current == "0004"
    upgrade(folder, "head")
    assert recorded(folder) == [head()]


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_another_applications_revision_is_not_ours(folder: Path, neighbour: str) -> None:
    for statement in (THEIRS, *NEIGHBOURS[neighbour]):
        in_database(folder, statement)
    theirs = recorded(folder, "alembic_version")
    assert check(folder).current is None
    upgrade(folder, "head")
    assert recorded(folder) == [head()]
    assert recorded(folder, "alembic_version") == theirs
    assert find_problem(folder) is None


@pytest.mark.parametrize("version", ["0001", "0003", head()])
def test_another_applications_accounts_are_not_touched(folder: Path, version: str) -> None:
    in_database(folder, THEIRS)
    in_database(folder, f"INSERT INTO alembic_version VALUES ('{version}')")
    in_database(folder, "CREATE TABLE user_account (id INTEGER PRIMARY KEY, name VARCHAR(20))")
    with pytest.raises(PreflightError, match="it holds user_account, but keystead_version is mis"):
        check(folder)
    assert "revision none" in str(find_problem(folder))


def test_other_tables_are_left_alone(folder: Path) -> None:
    """Rows without a parent and drafts of another application's, as SQLite lets them be."""
    in_database(folder, "CREATE TABLE shelf (id INTEGER PRIMARY KEY)")
    in_database(folder, "CREATE TABLE book (shelf_id INTEGER REFERENCES shelf (id))")
    in_database(folder, "CREATE TABLE _alembic_tmp_book (id INTEGER)")
    if server().name == "sqlite":
        in_database(folder, "PRAGMA foreign_keys=OFF")
        in_database(folder, "INSERT INTO book VALUES (7)")
    assert check(folder).current is None
    upgrade(folder, "head")
    command.check(config(database_url(folder)))
    assert in_database(folder, "SELECT count(*) FROM shelf") == [(0,)]


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_table_that_is_gone_is_named(desk: Path, table: str) -> None:
    in_database(desk, f"ALTER TABLE {table} RENAME TO moved_away")
    assert f"but {table} is missing: restore it from a backup" in str(find_problem(desk))
    with pytest.raises(PreflightError, match=f"at revision {head()}, but {table}"):
        check(desk)


def test_a_schema_that_is_older_than_recorded_is_named(folder: Path) -> None:
    upgrade(folder, "0003")
    in_database(folder, "UPDATE keystead_version SET version_num = '0005'")
    with pytest.raises(PreflightError, match=r"at revision 0005, but .*tick_job.done_through"):
        check(folder)


@pytest.mark.only("postgres")
def test_a_schema_that_would_hide_the_tables_is_refused(folder: Path) -> None:
    """The default search path begins with a schema of the user's name, once that exists."""
    upgrade(folder, "0003")
    in_database(folder, "CREATE SCHEMA AUTHORIZATION CURRENT_USER")
    with pytest.raises(PreflightError, match="put that schema first in the search path"):
        check(folder)


@pytest.mark.only("postgres")
def test_each_schema_can_have_its_own(folder: Path) -> None:
    at_former(folder, "0003")
    for statement in (
        "CREATE SCHEMA theirs",
        "ALTER TABLE alembic_version SET SCHEMA theirs",
    ):
        in_database(folder, statement)
    with pytest.raises(PreflightError, match="it holds mail_message, user_account, user_session"):
        check(folder)
