"""The name of the constraint that a statement broke, read from each driver's error."""

import re

from sqlalchemy import Index, PrimaryKeyConstraint, Table, UniqueConstraint

from app.database.base import Base

# MySQL and MariaDB: the quoted name in the message of each error number.
_MYSQL = {
    1062: r"for key '([^']+)'",  # duplicate entry
    1451: r"CONSTRAINT `([^`]+)`",  # a child row exists
    1452: r"CONSTRAINT `([^`]+)`",  # the parent row is missing
    3819: r"Check constraint '([^']+)'",  # MySQL
    4025: r"CONSTRAINT `([^`]+)`",  # MariaDB: a CHECK
}
_TABLE = re.compile(r"\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+[`\"]?(\w+)", re.IGNORECASE)


def is_violation(error: BaseException) -> bool:
    """Return whether MySQL or MariaDB report a violated constraint, in whichever error class.

    Their drivers raise a CHECK's as OperationalError and as DataError.
    """
    return next(iter(error.args), None) in _MYSQL


def constraint_name(error: BaseException, statement: str | None) -> str | None:
    """Return the schema's name of the constraint that `error`, of any of the drivers, is about.

    SQLite names columns for a unique key, and MariaDB no table for a primary key: both are looked
    up in the tables' metadata. None where the server names nothing (SQLite's foreign keys).
    """
    # SQLAlchemy's adapter raises its own error from asyncpg's.
    named: str | None = getattr(error.__cause__, "constraint_name", None)
    if named is not None:
        return named
    number, text = (*error.args, "", "")[:2]
    if isinstance(number, int):
        return _of_mysql(number, str(text), statement)
    return _of_sqlite(str(number))


def _of_mysql(number: int, text: str, statement: str | None) -> str | None:
    found = re.search(_MYSQL.get(number, r"(?!)"), text)
    if found is None:
        return None
    # MySQL puts the table before the key, MariaDB does not.
    table, _, name = found[1].rpartition(".")
    if name != "PRIMARY":
        return name
    written = _TABLE.match(statement or "")
    return _primary_key(table or (written[1] if written else ""))


def _of_sqlite(text: str) -> str | None:
    kind, _, rest = text.partition(" constraint failed: ")
    if kind == "CHECK":
        return rest
    if kind != "UNIQUE":
        return None
    if rest.startswith("index '"):
        return rest.split("'")[1]
    table, _, _ = rest.partition(".")
    return _unique_key(table, {column.rpartition(".")[2] for column in rest.split(", ")})


def _primary_key(table: str) -> str | None:
    found = Base.metadata.tables.get(table)
    return str(found.primary_key.name) if found is not None else None


def _unique_key(table: str, columns: set[str]) -> str | None:
    found = Base.metadata.tables.get(table)
    if found is None:
        return None
    for key in _unique_keys(found):
        if {column.name for column in key.columns} == columns:
            return str(key.name)
    return None


def _unique_keys(table: Table) -> list[UniqueConstraint | PrimaryKeyConstraint | Index]:
    keys = [c for c in table.constraints if isinstance(c, UniqueConstraint | PrimaryKeyConstraint)]
    return [*keys, *(index for index in table.indexes if index.unique)]
