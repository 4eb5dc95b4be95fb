"""`keystead migrate`: migrate the database's schema up to a revision."""

import asyncio
import time
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from app.cli.console import Failure, check_database_file, database_failures, out, plain, say
from app.models import TABLES
from app.resources import schema_database
from app.schema import preflight, revisions, upgrade
from app.settings.model import Settings


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
            help="Only print the SQL, from an empty database; with 0002:head, from 0002.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the revisions that would run.")
    ] = False,
) -> None:
    """Migrate the database's schema up to a revision. Many hosts can do so at the same time."""
    if None not in (revision, to) and revision != to:
        raise typer.BadParameter(f"stop at {revision}, or at {to}?")
    target = next((given for given in (revision, to) if given is not None), "head")
    settings = Settings()
    if sql:
        _print_sql(settings, target)
    elif dry_run:
        _print_plan(settings, target)
    else:
        migrate_to(settings, target)


def migrate_unless_newer(settings: Settings) -> None:
    """Migrate to head, unless a newer release has migrated: this one serves on its schema."""
    check_database_file(settings)
    found = _read_revisions(settings)
    if found.newer:
        say(f"Database: at revision {found.current}, newer than this release's {found.head}")
    else:
        migrate_to(settings, "head", each=False)


def migrate_to(settings: Settings, target: str, *, each: bool = True) -> None:
    """Migrate to `target` and print the result; before it, a line for `each` revision.

    Raises Failure if the database cannot be migrated or a revision fails, ValueError if it is
    known by a transaction pooler alone, TimeoutError as upgrade.migrate.
    """
    current = _check_migratable(settings)
    pending = revisions.plan(target, current)
    if not pending:
        _print_nothing_to_do(target, current)
        return
    url = settings.migration_url
    started = time.perf_counter()
    done = [("", started)]  # revisions, and when they ended

    def report() -> None:
        if each and len(done) > 1:
            (_, began), (revision, ended) = done[-2:]
            say(f"{_title(revision)} … {ended - began:.1f} s")

    def applied(revision: str) -> None:
        report()  # the one before, which is committed by now
        done.append((revision, time.perf_counter()))

    def waits(reason: str) -> None:
        say(f"Database: {plain(reason)}")

    try:
        upgrade.migrate(url, pending[-1], applied=applied, waits=waits)
    except SQLAlchemyError as error:
        report()
        failed = pending[min(len(done), len(pending)) - 1]
        raise Failure(f"revision {_title(failed)}: {str(error).splitlines()[0]}") from error
    report()
    last, ended = done[-1]
    if not last:
        # Another migrator was faster.
        _print_nothing_to_do(target, _read_revisions(settings).current)
        return
    say(f"Database: migrated from {current or 'nothing'} to {last} in {ended - started:.1f} s")


def _title(revision: str) -> str:
    return f"{revision} {revisions.names()[revision]}"


def _print_sql(settings: Settings, target: str) -> None:
    start, separator, end = target.rpartition(":")
    if separator and not revisions.is_known(start):
        raise ValueError(f"there is no revision {start!r} to start from")
    revisions.plan(end, start or None)
    upgrade.migrate(settings.database_url, target, sql=True)


def _print_plan(settings: Settings, target: str) -> None:
    current = _check_migratable(settings)
    pending = revisions.plan(target, current)
    if not pending:
        _print_nothing_to_do(target, current)
    for revision in pending:
        out.print(f"Would run {_title(revision)}")


def _print_nothing_to_do(target: str, current: str | None) -> None:
    known = target if revisions.is_known(target) and target != current else ""
    past = f", past {known}" if known else ""
    say(f"Database: at revision {current}{past}, nothing to migrate")


def _check_migratable(settings: Settings) -> str | None:
    """Return the database's revision. Raises Failure if the database must not be migrated."""
    check_database_file(settings)
    try:
        with database_failures(settings):
            found = asyncio.run(preflight.check_migratable(schema_database(settings), TABLES))
    except preflight.PreflightError as error:
        raise Failure(str(error)) from error
    if found.newer:
        raise Failure(
            f"the database is at revision {found.current}, which this release does not know: "
            "a newer one migrated it"
        )
    return found.current


def _read_revisions(settings: Settings) -> revisions.Revisions:
    async def read() -> revisions.Revisions:
        async with schema_database(settings) as database, database.transaction() as session:
            return await revisions.read_revisions(session)

    with database_failures(settings):
        return asyncio.run(read())
