"""The waits of a migration: for other migrators, and for transactions that use the tables."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from filelock import FileLock
from filelock import Timeout as Taken
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

LOCK_NAME = "keystead migrate"
# The key of pg_advisory_lock: any constant.
LOCK_NUMBER = 5_327_861_940
LOCK_SECONDS = 60
# A step that waits for its table blocks all later statements on it, reads too. So it gives up soon,
# lets them through, and tries again: for about a minute in all.
TRY_SECONDS = 2
PAUSES = (0.5, 1, 2, 4, 8, 8, 8, 8)

_WAITED_IN_VAIN = {
    *("55P03", "40P01"),  # PostgreSQL: lock_not_available, deadlock_detected
    *(1205, 1213),  # MySQL, MariaDB: the same
    *("SQLITE_BUSY", "SQLITE_LOCKED"),
}
# The transactions that have used tables for longest: connection id, a description, seconds.
_USERS = {
    "postgresql": """
        SELECT pid, concat_ws(', ', coalesce(usename, backend_type), nullif(application_name, ''),
            state), extract(epoch FROM clock_timestamp() - xact_start)::int
        FROM pg_stat_activity AS them
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
            AND EXISTS (SELECT FROM pg_locks WHERE pid = them.pid AND granted AND relation >= 16384)
        ORDER BY xact_start LIMIT 3""",
    "mysql": """
        SELECT trx_mysql_thread_id, 'see SHOW PROCESSLIST',
            timestampdiff(SECOND, trx_started, now())
        FROM information_schema.innodb_trx WHERE trx_mysql_thread_id <> connection_id()
        ORDER BY trx_started LIMIT 3""",
}
_USERS["mariadb"] = _USERS["mysql"]

Say = Callable[[str], None]
"""Reports a wait to the operator."""


@asynccontextmanager
async def migration_lock(engine: AsyncEngine, say: Say) -> AsyncIterator[None]:
    """Hold the migration lock of this database. Raises TimeoutError after LOCK_SECONDS."""
    async with _lock(engine) as take:
        if not await take():
            say("another migration is at work: waiting for it")
            deadline = time.monotonic() + LOCK_SECONDS
            while not await take():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"another migration has been at work for {LOCK_SECONDS} s")
                await asyncio.sleep(0.2)
        yield


@asynccontextmanager
async def _lock(engine: AsyncEngine) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """Give a function that tries to take the lock without waiting. It is released at the end."""
    if engine.dialect.name == "sqlite":
        file = FileLock(f"{engine.url.database}.migrate.lock", timeout=0, mode=0o600)

        async def take_file() -> bool:
            try:
                file.acquire()
            except Taken:
                return False
            return True

        try:
            yield take_file
        finally:
            file.release()
        return
    if engine.dialect.name == "postgresql":
        take, release = (
            text(f"SELECT {function}({LOCK_NUMBER})")
            for function in ("pg_try_advisory_lock", "pg_advisory_unlock")
        )
    else:
        # The name is one of the whole server, and has at most 64 characters.
        name = f"CONCAT('{LOCK_NAME} ', LEFT(SHA2(DATABASE(), 256), 40))"
        take, release = text(f"SELECT GET_LOCK({name}, 0)"), text(f"SELECT RELEASE_LOCK({name})")
    async with engine.connect() as connection:
        # In autocommit: a lock in an open transaction would block CREATE INDEX CONCURRENTLY.
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        taken = False

        async def take_it() -> bool:
            nonlocal taken
            taken = bool(await connection.scalar(take))
            return taken

        try:
            yield take_it
        finally:
            if taken:
                await connection.execute(release)


async def patiently(
    connection: AsyncConnection, work: Callable[[Connection], None], say: Say
) -> None:
    """Run `work` with lock waits of TRY_SECONDS at most; retry it after each of PAUSES.

    `work` continues after its last commit. Raises TimeoutError if the tables were in use at each
    try; the message names the transactions that use them, where the server tells.
    """
    await _limit_waits(connection)
    for pause in (*PAUSES, None):
        try:
            await connection.run_sync(work)
            return
        except (DBAPIError, sqlite3.OperationalError) as error:
            await connection.rollback()
            # sqlite3 raises its own error while BEGIN waits for the write lock.
            statement = " ".join((getattr(error, "statement", None) or "BEGIN").split())[:80]
            # A concurrent index build blocks nothing, and leaves an invalid index behind that
            # `if_not_exists` would take for a good one.
            if not _waited_in_vain(error) or "CONCURRENTLY" in statement:
                raise
            reason = f"others use what this step needs ({statement}){await _users(connection)}"
            if pause is None:
                raise TimeoutError(f"gave up: {reason}. Run it again when they are gone") from error
        say(f"{reason}; letting them through, trying again in {pause} s")
        await asyncio.sleep(pause)


def _waited_in_vain(error: DBAPIError | sqlite3.OperationalError) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    codes = [getattr(cause, name, None) for name in ("sqlstate", "sqlite_errorname")]
    return not _WAITED_IN_VAIN.isdisjoint([*codes, *getattr(cause, "args", ())[:1]])


async def _limit_waits(connection: AsyncConnection) -> None:
    match connection.dialect.name:
        case "sqlite":
            await connection.exec_driver_sql(f"PRAGMA busy_timeout = {TRY_SECONDS * 1_000}")
        case "postgresql":
            # A statement outside a transaction is a concurrent index build: it may wait.
            await connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_SECONDS}s'")
            event.listen(
                connection.sync_connection,
                "begin",
                lambda begun: begun.exec_driver_sql(f"SET LOCAL lock_timeout = '{TRY_SECONDS}s'"),
            )
        case _:
            for variable in ("lock_wait_timeout", "innodb_lock_wait_timeout"):
                await connection.exec_driver_sql(f"SET SESSION {variable} = {TRY_SECONDS}")
    await connection.commit()


async def _users(connection: AsyncConnection) -> str:
    """Return the open transactions, oldest first; empty where the server refuses to tell."""
    statement = _USERS.get(connection.dialect.name)
    if statement is None:
        return ""
    try:
        rows = (await connection.exec_driver_sql(statement)).all()
    except DBAPIError:
        return ""
    finally:
        await connection.rollback()
    return "".join(
        f"; connection {number} ({who}) for {seconds} s" for number, who, seconds in rows
    )
