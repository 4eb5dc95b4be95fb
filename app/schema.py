"""Where the database's schema stands, and how it gets to head. Alembic does the work."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

ROOT = Path(__file__).parent.parent


class Revisions(NamedTuple):
    """The revision a database is at (None: an empty one) and the newest that this code knows."""

    current: str | None
    head: str

    @property
    def newer(self) -> bool:
        """Whether a newer release made it; this one runs on it: expand, then contract."""
        return self.current is not None and not is_known(self.current)

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
def _known() -> tuple[str, ...]:
    """Return the revisions in migrations/versions, newest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(ROOT / "migrations")).walk_revisions()
    return tuple(script.revision for script in scripts)


def head() -> str:
    """Return the newest revision that this release knows."""
    return _known()[0]


def is_known(revision: str) -> bool:
    """Tell whether `revision` is one of this release's."""
    return revision in _known()


async def revisions(session: AsyncSession) -> Revisions:
    """Read where the database stands. Raises OperationalError or OSError if it is away."""
    await session.execute(text("SELECT 1"))
    try:
        current = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except DBAPIError:
        current = None
    return Revisions(current, head())


def migrate(revision: str = "head", *, sql: bool = False) -> None:
    """Bring the database that the settings name to `revision`, or print the `sql` for it.

    Runs an event loop of its own: not to be called from a coroutine.
    """
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"quiet": True})
    config.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    command.upgrade(config, revision, sql=sql)
