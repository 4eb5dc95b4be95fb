"""Where the database's schema stands, and how it gets to head. Alembic does the work."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database

log = structlog.get_logger()

ROOT = Path(__file__).parent.parent


class Revisions(NamedTuple):
    """The revision a database is at (None: an empty one) and the newest that this code knows."""

    current: str | None
    head: str

    @property
    def newer(self) -> bool:
        """Whether a newer release made it; this one runs on it: expand, then contract."""
        number = self.current or ""
        return number.isdecimal() and int(number) > int(self.head)

    @property
    def usable(self) -> bool:
        return self.current == self.head or self.newer

    @property
    def mend(self) -> str:
        """Say what is wrong and which command mends it."""
        return (
            f"the database is at revision {self.current or 'none'}, this code needs {self.head}: "
            "run `keystead migrate`"
        )


@cache
def names() -> dict[str, str]:
    """Return this release's revisions, oldest first, each with what it is about.

    As their files are called: `crown jewels` for 0007_crown_jewels.py. Alembic, which would run
    them all to find out, is 10 MB that a server has no other use for.
    """
    files = sorted((ROOT / "migrations" / "versions").glob("*.py"))
    parts = [file.stem.partition("_") for file in files]
    return {number: about.replace("_", " ") for number, _, about in parts}


def head() -> str:
    """Return the newest revision that this release knows."""
    return list(names())[-1]


def is_known(revision: str) -> bool:
    """Tell whether `revision` is one of this release's."""
    return revision in names()


def plan(target: str, current: str | None) -> list[str]:
    """Return the revisions that lead up from `current` (None: nothing) to `target`, in order.

    `target`: a revision, `head`, or `+2` for two more. Empty if `current` is there, or past it.
    Raises ValueError for a target that there is not.
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


async def revisions(session: AsyncSession) -> Revisions:
    """Read where the database stands. Raises OperationalError or OSError if it is away."""
    await session.execute(text("SELECT 1"))
    try:
        current = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except DBAPIError:
        current = None
    return Revisions(current, head())


async def fault(database: Database) -> str | None:
    """Return why no request can be served now, and the mend; None if all is well."""
    try:
        async with database.transaction() as session:
            found = await revisions(session)
    except (SQLAlchemyError, OSError) as error:
        log.error("database unavailable", error=str(error))
        return "the database does not answer: is KEYSTEAD_DATABASE_URL right, and is it running?"
    return None if found.usable else found.mend


def migrate(
    revision: str = "head",
    *,
    sql: bool = False,
    applied: Callable[[str], None] | None = None,
    waits: Callable[[str], None] | None = None,
) -> None:
    """Bring the database that the settings name to `revision`, or print the `sql` for it.

    `applied` is told each revision that was run, `waits` what is waited for (default: the log is).
    Raises TimeoutError if others, migrators or users of the tables, leave no room for a minute.
    Runs an event loop of its own: not to be called from a coroutine.
    """
    from alembic import command
    from alembic.config import Config

    listeners: dict[str, Any] = {"applied": applied, "waits": waits}
    told = {name: listener for name, listener in listeners.items() if listener is not None}
    config = Config(attributes={"quiet": True, **told})
    config.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    command.upgrade(config, revision, sql=sql)
