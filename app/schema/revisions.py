"""The revisions of the schema: which this release knows, and where a database is."""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, Inspector, inspect
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.engine import Database
from app.database.errors import TransactionConflict
from app.database.read_only import is_read_only
from app.errors import DatabaseUnavailable
from app.schema.version_table import read_recorded

log = structlog.get_logger()

ROOT = Path(__file__).parents[2]


_READ_ONLY = (
    "the database is read-only: is it a standby, or a primary that was demoted? "
    "KEYSTEAD_DATABASE_URL must lead to the one that takes writes"
)


class Revisions(NamedTuple):
    """The revision a database is at (None: an empty one), and the newest of this release."""

    current: str | None
    head: str

    @property
    def newer(self) -> bool:
        """Whether a newer release migrated it; this one runs on it too: expand, then contract."""
        number = self.current or ""
        return number.isdecimal() and int(number) > int(self.head)

    @property
    def usable(self) -> bool:
        return self.current == self.head or self.newer

    @property
    def remedy(self) -> str:
        """The problem, and the command that solves it."""
        return (
            f"the database is at revision {self.current or 'none'}, this code needs {self.head}: "
            "run `keystead migrate`"
        )


@cache
def names() -> dict[str, str]:
    """Return this release's revisions, oldest first, each with its title.

    Read from the names of their files: `tick sums` for 0007_tick_sums.py. Alembic, which would
    execute them, takes 10 MB that a server does not need.
    """
    files = sorted((ROOT / "migrations" / "versions").glob("*.py"))
    parts = [file.stem.partition("_") for file in files]
    return {number: about.replace("_", " ") for number, _, about in parts}


def head() -> str:
    """Return the newest revision that this release knows."""
    return list(names())[-1]


def is_known(revision: str) -> bool:
    """Return whether `revision` is one of this release."""
    return revision in names()


def plan(target: str, current: str | None) -> list[str]:
    """Return the revisions that lead up from `current` (None: an empty database) to `target`.

    `target`: a revision, `head`, or `+2` for two more. Empty if `current` is at it, or past it.
    Raises ValueError for an unknown target.
    """
    known = list(names())
    begin = known.index(current) + 1 if current is not None else 0
    if target in ("head", "heads"):
        return known[begin:]
    if target in known:
        return known[begin : known.index(target) + 1]
    more = int(target[1:]) if target[:1] == "+" and target[1:].isdecimal() else 0
    if not 0 < more <= len(known) - begin:
        raise ValueError(
            f"there is no revision {target!r} to migrate to: the first is {known[0]}, "
            f"the newest {known[-1]} (`head`)"
        )
    return known[begin : begin + more]


async def read_revisions(session: AsyncSession) -> Revisions:
    """Read the database's revision. Raises DatabaseUnavailable."""
    connection = await session.connection()
    return await connection.run_sync(lambda c: _read(inspect(c)))


def _read(inspector: Inspector) -> Revisions:
    return Revisions(next(iter(read_recorded(inspector) or []), None), head())


async def find_problem(database: Database, tables: Collection[str]) -> str | None:
    """Return why no request can be served now, with the remedy; None if all is well.

    `tables`: the names of the tables that a request may need.
    """

    def find(connection: Connection) -> str | None:
        inspector = inspect(connection)
        found = _read(inspector)
        if not found.usable:
            return found.remedy
        missing = sorted(set(tables).difference(inspector.get_table_names()))
        return incomplete(found.current, missing) if missing else None

    try:
        async with database.transaction() as session:
            if await is_read_only(session):
                # The next connection may be to the new primary.
                await session.invalidate()
                log.error("database read-only")
                return _READ_ONLY
            connection = await session.connection()
            return await connection.run_sync(find)
    except (DatabaseUnavailable, TransactionConflict) as error:
        log.error("database unavailable", error=str(error))
        return "the database does not answer: is KEYSTEAD_DATABASE_URL right, and is it running?"


def incomplete(revision: str | None, missing: Collection[str]) -> str:
    """Return the problem of a schema that lacks parts of its revision, and the remedy."""
    return (
        f"the database is recorded at revision {revision}, but {', '.join(missing)} is missing: "
        "restore it from a backup, or name another one"
    )
