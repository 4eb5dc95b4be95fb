"""The revisions of the schema: which this release knows, and where a database is."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.engine import Database
from app.database.errors import TransactionConflict
from app.errors import DatabaseUnavailable

log = structlog.get_logger()

ROOT = Path(__file__).parents[2]


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
    await session.execute(text("SELECT 1"))
    try:
        current = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except DatabaseUnavailable:
        current = None  # no such table
    return Revisions(current, head())


async def find_problem(database: Database) -> str | None:
    """Return why no request can be served now, with the remedy; None if all is well."""
    try:
        async with database.transaction() as session:
            found = await read_revisions(session)
    except (DatabaseUnavailable, TransactionConflict) as error:
        log.error("database unavailable", error=str(error))
        return "the database does not answer: is KEYSTEAD_DATABASE_URL right, and is it running?"
    return None if found.usable else found.remedy
