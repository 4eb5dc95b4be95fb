"""h: the printed SQL does the same as the migration."""

from pathlib import Path

import pytest
from sqlalchemy import Connection

from app.schema.revisions import head
from tests.conftest import Cases
from tests.databases import in_database
from tests.migrations.conftest import AtRevision
from tests.migrations.fingerprint import fingerprint
from tests.migrations.history import (
    REVISIONS,
    before,
    before_the_takeover,
    offline_sql,
    run_in,
    stored,
    upgrade,
)


def run_script(connection: Connection, script: str) -> None:
    for statement in script.split(";\n"):
        if statement.strip() and statement.strip() not in ("BEGIN", "COMMIT"):
            connection.exec_driver_sql(statement.replace("%", "%%"))


def test_offline_sql_from_an_empty_database(
    tmp_path: Path, at_revision: AtRevision, cases: Cases
) -> None:
    run_in(tmp_path, run_script, offline_sql(tmp_path, "head"))
    expected = at_revision("base")
    upgrade(expected, head())
    assert fingerprint(tmp_path) == fingerprint(expected)
    assert in_database(tmp_path, "SELECT version_num FROM keystead_version") == [(head(),)]
    cases("h", 1)


@pytest.mark.parametrize("taken_over", [True, False])
def test_offline_sql_takes_the_revision_over(
    at_revision: AtRevision, cases: Cases, taken_over: bool
) -> None:
    folder = at_revision("0002")
    if not taken_over:
        before_the_takeover(folder)
    run_in(folder, run_script, offline_sql(folder, "0002:0003"))
    assert in_database(folder, "SELECT version_num FROM keystead_version") == [("0003",)]
    cases("h", 1)


@pytest.mark.parametrize("revision", REVISIONS[1:])
def test_offline_sql_on_rows(at_revision: AtRevision, cases: Cases, revision: str) -> None:
    by_hand, online = at_revision(before(revision)), at_revision(before(revision))
    run_in(by_hand, run_script, offline_sql(by_hand, f"{before(revision)}:{revision}"))
    upgrade(online, revision)
    assert fingerprint(by_hand) == fingerprint(online)
    assert stored(by_hand) == stored(online)
    cases("h", 1)
