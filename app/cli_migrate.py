"""`keystead migrate`: brings the database's schema to a revision, and says what it does."""

import asyncio
import time
from typing import Annotated, Self

import typer
from sqlalchemy.exc import SQLAlchemyError

from app import leftovers, schema
from app.console import Failure, out, plain, usable_settings
from app.database import Database
from app.settings import Settings


def migrate(
    revision: Annotated[
        str | None, typer.Argument(help="Where to stop.", metavar="REVISION", show_default="head")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="The same, as an option.", metavar="REVISION")
    ] = None,
    sql: Annotated[
        bool,
        typer.Option(
            "--sql",
            help="Only print the SQL, from nothing; with 0002:head, from 0002. Asks nobody.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which revisions would run.")
    ] = False,
) -> None:
    """Bring the database's schema to a revision; never backwards. Safe to call from many hosts."""
    if None not in (revision, to) and revision != to:
        raise typer.BadParameter(f"stop at {revision}, or at {to}?")
    target = next((given for given in (revision, to) if given is not None), "head")
    if sql:
        _print_sql(target)
    elif dry_run:
        _say_what_would_run(target)
    else:
        bring_to(target)


def migrate_unless_newer() -> None:
    """Migrate; but serve on the schema of a newer release, which is made for that."""
    usable_settings()
    found = asyncio.run(_revisions())
    if found.newer:
        out.print(f"Database: at revision {found.current}, newer than this release's {found.head}")
    else:
        bring_to("head", each=False)


def bring_to(target: str, *, each: bool = True) -> None:
    """Migrate to `target` and say so in a line; before it, a line for `each` revision.

    Raises Failure for a database that is not to be migrated or a revision that fails; TimeoutError
    as schema.migrate.
    """
    current = _where_it_stands()
    pending = schema.plan(target, current)
    if not pending:
        _say_nothing_to_do(target, current)
        return
    with Progress(pending, each) as progress:
        schema.migrate(pending[-1], applied=progress.applied, waits=progress.waits)
    if not progress.done:
        _say_nothing_to_do(target, asyncio.run(_revisions()).current)
        return
    out.print(
        f"Database: migrated from {current or 'nothing'} to {progress.done[-1]} "
        f"in {progress.seconds:.1f} s"
    )


class Progress:
    """Shows which revision is at work, where there is a screen, and then how long each took."""

    def __init__(self, pending: list[str], each: bool) -> None:
        self.done: list[str] = []
        self._pending = pending
        self._each = each
        self._status = out.status("")

    def __enter__(self) -> Self:
        self._begun = self._last = time.perf_counter()
        self._status.start()
        self._announce()
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self._status.stop()
        if isinstance(error, SQLAlchemyError):
            reason = str(error).splitlines()[0]
            raise Failure(f"revision {self._title()}: {reason}") from error

    @property
    def seconds(self) -> float:
        """Return how long all of it has taken."""
        return time.perf_counter() - self._begun

    def applied(self, revision: str) -> None:
        now = time.perf_counter()
        if self._each:
            out.print(f"{_titled(revision)} … {now - self._last:.1f} s")
        self._last = now
        self.done.append(revision)
        self._announce()

    def waits(self, reason: str) -> None:
        out.print(f"Database: {plain(reason)}")

    def _announce(self) -> None:
        self._status.update(f"{self._title()} …")

    def _title(self) -> str:
        """Name the revision that is at work."""
        last = self.done[-1] if self.done else None
        left = [revision for revision in self._pending if last is None or revision > last]
        return _titled(left[0] if left else self._pending[-1])


def _titled(revision: str) -> str:
    return f"{revision} {schema.names()[revision]}"


def _print_sql(target: str) -> None:
    start, separator, end = target.rpartition(":")
    if separator and not schema.is_known(start):
        raise ValueError(f"there is no revision {start!r} to start from")
    schema.plan(end, start or None)
    schema.migrate(target, sql=True)


def _say_what_would_run(target: str) -> None:
    current = _where_it_stands()
    pending = schema.plan(target, current)
    if not pending:
        _say_nothing_to_do(target, current)
    for revision in pending:
        out.print(f"Would run {_titled(revision)}")


def _say_nothing_to_do(target: str, current: str | None) -> None:
    known = target if schema.is_known(target) and target != current else ""
    past = f", past {known}" if known else ""
    out.print(f"Database: at revision {current}{past}, nothing to migrate")


def _where_it_stands() -> str | None:
    """Return the database's revision. Raises Failure if it must not be migrated, and says why."""
    usable_settings()
    try:
        found = asyncio.run(leftovers.examined(Settings().database_url))
    except leftovers.Unfit as unfit:
        raise Failure(str(unfit)) from unfit
    if found.newer:
        raise Failure(
            f"the database is at revision {found.current}, which this release does not know: "
            "a newer one made it"
        )
    return found.current


async def _revisions() -> schema.Revisions:
    async with Database(Settings().database_url) as database, database.transaction() as session:
        return await schema.revisions(session)
