"""g: invalid data before an upgrade: it is converted, or the upgrade refuses and names the rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.schema.revisions import head
from tests.conftest import Cases
from tests.databases import server
from tests.migrations.conftest import AtRevision
from tests.migrations.fingerprint import COMMITTED, fingerprint
from tests.migrations.history import REVISIONS, fill, insert_into, run_in, stored, upgrade
from tests.migrations.rows import Rows, id_
from tests.migrations.rows.r0001 import user
from tests.migrations.rows.r0002 import ROWS as LOGINS

STRANGER = id_(10**9)


def account(email: str, key: str | None = None, **values: object) -> Rows:
    return {"user_account": [user(70, email, email if key is None else key, **values)]}


def orphan(folder: Path) -> None:
    """Insert a session without an account, as an import without foreign key checks does."""
    run_in(folder, _insert_unchecked, dict(LOGINS["user_session"][0]))


def _insert_unchecked(connection: Connection, login: dict[str, Any]) -> None:
    off = {
        "postgresql": "SET session_replication_role = replica",
        "mysql": "SET foreign_key_checks = 0",
        "mariadb": "SET foreign_key_checks = 0",
        "sqlite": "PRAGMA foreign_keys = OFF",
    }
    connection.execute(text(off[connection.dialect.name]))
    connection.execute(insert_into("user_session", login | {"id": id_(71), "user_id": STRANGER}))


def flag_of_seven(folder: Path) -> None:
    run_in(folder, lambda it: it.execute(text("UPDATE user_account SET is_verified = 7")))


def rows(planted: Rows) -> Callable[[Path], None]:
    return lambda folder: fill(folder, planted)


DIRT: dict[str, Callable[[Path], None]] = {
    "the same key twice": rows(account("other@camelot.bt", "arthur@camelot.bt")),
    "no password": rows(account("other@camelot.bt", hashed_password=None)),
    "no key": rows({"user_account": [user(70, "a@b", "a@b") | {"email_key": None}]}),
    "an empty key": rows(account("other@camelot.bt", "")),
    "a login of nobody": orphan,
    "the longest": rows(account("ß" * 320)),
    "emoji": rows(account("👩‍👩‍👧‍👦@🏰.bt")),
    "a case variant": rows(account("ARTHUR@CAMELOT.BT")),
    "a flag of seven": flag_of_seven,
}
# If the database stores it, the upgrade must refuse; it must convert everything else.
REFUSED = {"a login of nobody": [str(STRANGER), STRANGER.hex]}


@pytest.mark.parametrize("dirt", DIRT)
@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_invalid_data_is_converted_or_refused(
    at_revision: AtRevision, cases: Cases, revision: str, dirt: str
) -> None:
    folder = at_revision(revision)
    clean = stored(folder)
    if dirt == "a login of nobody" and "user_session" not in clean:
        revision = "0002"
        folder = at_revision(revision)
    try:
        DIRT[dirt](folder)
    except DBAPIError:
        # Every release's schema refuses it.
        assert stored(folder) == clean
    else:
        converges_or_is_refused(folder, dirt)
    cases("g", 1)


def converges_or_is_refused(folder: Path, dirt: str) -> None:
    planted, schema = stored(folder), fingerprint(folder)
    if dirt in REFUSED:
        with pytest.raises(Exception, match="|".join(REFUSED[dirt])):
            upgrade(folder, head())
        assert (stored(folder), fingerprint(folder)) == (planted, schema)
        return
    upgrade(folder, head())
    assert fingerprint(folder) == (COMMITTED / f"{server().name}.txt").read_text()
    accounts = stored(folder)["user_account"]
    if dirt == "a flag of seven":
        assert {row.pop("is_verified") for row in accounts + planted["user_account"]} == {1, 7}
    columns = planted["user_account"][0].keys()
    kept = [{name: row[name] for name in columns} for row in accounts]
    assert sorted(kept, key=repr) == sorted(planted["user_account"], key=repr)
