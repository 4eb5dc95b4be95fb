"""Orphaned rows, as an import without foreign key checks leaves them."""

from collections.abc import Collection
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Column, Connection, MetaData, Table, exists, inspect, select

SHOWN = 10


def refuse_orphans(connection: Connection, tables: Collection[str]) -> None:
    """Raise CommandError, before any change, if rows of `tables` lack their parent.

    The message names the rows. A table that does not exist yet has none.
    """
    inspector = inspect(connection)
    for name in sorted(set(inspector.get_table_names()) & set(tables)):
        for key in inspector.get_foreign_keys(name):
            orphans = _orphans(connection, name, key)
            if orphans:
                raise CommandError(
                    f"rows of {name} ({', '.join(key['constrained_columns'])}) without their "
                    f"{key['referred_table']}: {'; '.join(orphans)}. "
                    "Delete or adopt them, then migrate; nothing was changed"
                )


def _orphans(connection: Connection, name: str, key: Any) -> list[str]:
    metadata = MetaData()
    child = Table(name, metadata, *map(Column, key["constrained_columns"]))
    parent = Table(key["referred_table"], metadata, *map(Column, key["referred_columns"]))
    pairs = list(zip(child.columns, parent.columns, strict=True))
    adopted = exists().where(*(ours == theirs for ours, theirs in pairs))
    known = (column.is_not(None) for column in child.columns)
    found = select(child).where(~adopted, *known).limit(SHOWN)
    return [", ".join(map(str, row)) for row in connection.execute(found)]
