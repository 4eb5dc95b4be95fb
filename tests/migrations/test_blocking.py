"""j: a step that locks a table for as long as it is large declares the reason.

Such a revision has `blocks = "…"`.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from tests.conftest import Cases
from tests.databases import server
from tests.migrations.conftest import AtRevision
from tests.migrations.history import (
    MIGRATIONS,
    REVISIONS,
    before,
    offline_sql,
    run_in,
    stored,
    upgrade,
)

STRONG = "('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
# The strong locks of this transaction, and the rows it has read or rewritten in each table.
LOCKED = f"""
SELECT c.relname, pg_relation_filenode(c.oid), pg_stat_get_xact_tuples_returned(c.oid), EXISTS (
    SELECT 1 FROM pg_locks l
    WHERE l.pid = pg_backend_pid() AND l.relation = c.oid AND l.mode IN {STRONG}
)
FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""
WOULD_BLOCK = (1845, 1846)  # ALGORITHM or LOCK is not supported
# Types and names are not the question here; env.py sets the time-outs.
NOT_ASKED = (
    "prefer-text-field,prefer-bigint-over-int,require-lock-timeout,require-statement-timeout"
)


def declared(revision: str) -> str:
    script = ScriptDirectory(str(MIGRATIONS)).get_revision(revision)
    return str(getattr(script.module, "blocks", ""))


Executed = tuple[str, Any]  # with its parameters


def executed(folder: Path, revision: str, watch: Any = None, begin: Any = None) -> list[Executed]:
    """Upgrade, and return the statements that change something.

    `begin` is called with the connection before each of them, `watch` after it.
    """
    statements: list[Executed] = []

    def prepare(connection: Any, _: Any, statement: str, *__: Any) -> None:
        if begin is not None and changes(statement):
            begin(connection)

    def note(connection: Any, _: Any, statement: str, parameters: Any, *__: Any) -> None:
        if changes(statement):
            statements.append((statement, parameters))
            if watch is not None:
                watch(connection, statement)

    event.listen(Engine, "before_cursor_execute", prepare)
    event.listen(Engine, "after_cursor_execute", note)
    try:
        upgrade(folder, revision)
    finally:
        event.remove(Engine, "before_cursor_execute", prepare)
        event.remove(Engine, "after_cursor_execute", note)
    return statements


def changes(statement: str) -> bool:
    return not statement.lstrip().upper().startswith(("SELECT", "PRAGMA", "SHOW", "SET"))


def on_postgres(folder: Path, revision: str, tables: set[str]) -> list[str]:
    blocking: list[str] = []
    last: dict[str, tuple[Any, int]] = {}

    def look(connection: Any) -> dict[str, Any]:
        cursor = connection.connection.cursor()
        cursor.execute(LOCKED)
        return {row[0]: row[1:] for row in cursor.fetchall() if row[0] in tables}

    def begin(connection: Any) -> None:
        # The search for orphans, just before, counts as this transaction's reads.
        if not last:
            last.update({name: (row[0], row[1]) for name, row in look(connection).items()})

    def watch(connection: Any, statement: str) -> None:
        found = look(connection)
        rewritten = any(found[name][0] != last[name][0] for name in found)
        read = any(found[name][1] > last[name][1] for name in found)
        if any(row[2] for row in found.values()) and (rewritten or read):
            blocking.append(statement)
        last.update({name: (row[0], row[1]) for name, row in found.items()})

    executed(folder, revision, watch, begin)
    return blocking


def on_mysql(folder: Path, untouched: Path, revision: str, tables: set[str]) -> list[str]:
    statements = executed(folder, revision)
    blocking: list[str] = run_in(untouched, _ask_first, statements, tables)
    return blocking


def _ask_first(connection: Connection, statements: list[Executed], tables: set[str]) -> list[str]:
    blocking = []
    for statement, parameters in statements:
        changed = re.match(r"\s*(?:ALTER TABLE|CREATE INDEX \S+ ON) `?(\w+)", statement)
        if changed is None or changed[1] not in tables or not _instead(connection, statement):
            if changed is not None and changed[1] in tables:
                blocking.append(statement)
            if "keystead_version" not in statement:
                connection.exec_driver_sql(statement, parameters)
    return blocking


def _instead(connection: Connection, statement: str) -> bool:
    """Execute it without locking; return whether that was possible."""
    comma = "," if statement.lstrip().startswith("ALTER") else ""
    for way in ("ALGORITHM=INSTANT", f"ALGORITHM=INPLACE{comma} LOCK=NONE"):
        try:
            connection.exec_driver_sql(f"{statement}{comma} {way}")
        except DBAPIError as error:
            if error.orig is None or error.orig.args[0] not in WOULD_BLOCK:
                raise
        else:
            return True
    return False


def on_sqlite(folder: Path, revision: str, tables: set[str]) -> list[str]:
    """SQLite has one writer; only a rebuilt table takes long."""
    copied = r"INSERT INTO _alembic_tmp_(\w+)"
    found = ((re.match(copied, line), line) for line, _ in executed(folder, revision))
    return [line for match, line in found if match is not None and match[1] in tables]


def blocking_steps(at_revision: AtRevision, revision: str) -> list[str]:
    folder = at_revision(before(revision))
    tables = {name for name, rows in stored(folder).items() if rows}
    if server().name == "postgres":
        return on_postgres(folder, revision, tables)
    if server().name == "sqlite":
        return on_sqlite(folder, revision, tables)
    return on_mysql(folder, at_revision(before(revision)), revision, tables)


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_blocking_step_declares_its_reason(
    at_revision: AtRevision, cases: Cases, revision: str
) -> None:
    blocking = blocking_steps(at_revision, revision)
    assert not blocking or declared(revision), f"{revision} blocks and does not say why: {blocking}"
    cases("j", 1)


def test_a_blocking_step_is_detected(at_revision: AtRevision, cases: Cases) -> None:
    known = {"postgres": "0005", "sqlite": "0006", "mysql": "0006", "mariadb": "0006"}
    assert blocking_steps(at_revision, known[server().name])
    cases("j", 1)


@pytest.mark.only("postgres")
@pytest.mark.parametrize("revision", REVISIONS)
def test_squawk_finds_nothing(tmp_path: Path, cases: Cases, revision: str) -> None:
    script = tmp_path / "revision.sql"
    script.write_text(offline_sql(tmp_path, f"{before(revision)}:{revision}"))
    squawk = Path(sys.executable).with_name("squawk")
    done = subprocess.run(
        [squawk, "--exclude", NOT_ASKED, script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 or declared(revision), done.stdout
    cases("j", 1)
