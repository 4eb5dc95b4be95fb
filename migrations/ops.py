"""Column types and guarded steps for revisions, the same on all four databases.

MySQL and MariaDB commit after each statement: a revision that was killed half-way runs again from
its start, so each step first looks whether it is done. Landed revisions import this file, so its
hash is in landed.sha256 and it never changes; a new helper that differs goes into ops_v2.py.

Offline (`--sql`) there is no database to look into, and each step is written out.
"""

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

ID = sa.Uuid().with_variant(sa.Uuid(native_uuid=False), "sqlite", "mysql", "mariadb")
UTC_DATETIME = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

_BINARY = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def key_type(length: int) -> sa.String:
    """Return a string type of `length` characters that compares by code point, for keys."""
    binary = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return (
        sa.String(length)
        .with_variant(binary, "mysql", "mariadb")
        .with_variant(sa.String(length, collation="C"), "postgresql")
    )


def create_table(name: str, *items: sa.schema.SchemaItem) -> None:
    """Create a table whose strings compare by code point, unless it exists."""
    op.create_table(name, *items, if_not_exists=True, **_BINARY)


def drop_table(name: str) -> None:
    """Drop a table, if it exists."""
    op.drop_table(name, if_exists=True)


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Add a column, unless the table has it."""
    if not exists("columns", table, column.name):
        op.add_column(table, column)


def drop_column(table: str, name: str) -> None:
    """Drop a column, if the table has it."""
    if context.is_offline_mode() or exists("columns", table, name):
        op.drop_column(table, name)


def create_index(name: str, table: str, columns: list[str], *, unique: bool = False) -> None:
    """Create an index, unless it exists."""
    if not exists("indexes", table, name):
        op.create_index(name, table, columns, unique=unique)


def drop_index(name: str, table: str) -> None:
    """Drop an index, if it exists."""
    if context.is_offline_mode() or exists("indexes", table, name):
        op.drop_index(name, table_name=table)


def exists(
    kind: Literal["columns", "indexes", "check_constraints", "unique_constraints", "foreign_keys"],
    table: str,
    name: str,
) -> bool:
    """Return whether a table has a part of that name: not if there is no such table.

    False offline, where nothing can be read.
    """
    if context.is_offline_mode():
        return False
    try:
        found = getattr(sa.inspect(op.get_bind()), f"get_{kind}")(table)
    except sa.exc.NoSuchTableError:
        return False
    return any(part["name"] == name for part in found)
