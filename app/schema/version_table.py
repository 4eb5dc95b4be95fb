"""The version table, `keystead_version`: one row with the revision that the schema is at.

Until revision 0007 the schema was recorded in `alembic_version`, Alembic's default, which another
application in the same database may have as well. The next migration takes the revision over from
there; `alembic_version` stays, since the release before reads it.
"""

from sqlalchemy import ColumnClause, Connection, Inspector, column, select, table

VERSION_TABLE = "keystead_version"
FORMER_TABLE = "alembic_version"

# A column of each revision that `alembic_version` may hold. They are there in a schema of ours; a
# number alone can be another application's. 0006 added none.
_ADDED = {
    "0001": [("user_account", "email_key")],
    "0002": [("user_session", "expires_at")],
    "0003": [("mail_message", "letter")],
    "0004": [("tick_job", "done_through"), ("tick_run", "claimed_at"), ("tick_counter", "value")],
    "0005": [("tick_job", "attempts")],
    "0006": [],
    "0007": [("tick_job", "worked_ms")],
}


def read_recorded(inspector: Inspector) -> list[str] | None:
    """Return the revisions in the version table, one as a rule; None if there is no such table.

    Before the takeover: the one in `alembic_version`, if the tables show that it is ours.
    """
    recorded = _read(inspector, VERSION_TABLE)
    return recorded or read_former(inspector) or recorded


def read_former(inspector: Inspector) -> list[str] | None:
    """Return the revision in `alembic_version`, alone in a list; None unless it is ours."""
    former = _read(inspector, FORMER_TABLE)
    if former is None or len(former) != 1 or not may_be_former(former[0]):
        return None
    return None if missing_columns(inspector, former[0]) else former


def may_be_former(revision: str) -> bool:
    """Return whether a database at `revision` may have it in `alembic_version` alone."""
    return revision in _ADDED


def missing_columns(inspector: Inspector, revision: str) -> list[str]:
    """Return the columns, as `table.column`, that a schema at `revision` lacks.

    Only columns that tell our tables from others: one for each revision up to 0007.
    """
    due = [pair for number, added in _ADDED.items() if number <= revision for pair in added]
    found = {
        name: {part["name"] for part in inspector.get_columns(name)}
        for name in {owner for owner, _ in due}.intersection(inspector.get_table_names())
    }
    return [f"{owner}.{name}" for owner, name in due if name not in found.get(owner, ())]


def takeover_sql(revision: str) -> list[str]:
    """Return statements that record `revision`, unless the version table holds one."""
    return [
        f"CREATE TABLE IF NOT EXISTS {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL, "
        f"CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num))",
        f"INSERT INTO {VERSION_TABLE} (version_num) SELECT '{revision}' "  # noqa: S608
        f"FROM (SELECT count(*) AS recorded FROM {VERSION_TABLE}) AS versions WHERE recorded = 0",
    ]


def _read(inspector: Inspector, name: str) -> list[str] | None:
    # inspector.has_table() relies on an error of MySQL's that our translation replaces.
    if name not in inspector.get_table_names():
        return None
    version: ColumnClause[str] = column("version_num")
    select_versions = select(version).select_from(table(name)).order_by(version)
    assert isinstance(inspector.bind, Connection)
    return list(inspector.bind.scalars(select_versions))
