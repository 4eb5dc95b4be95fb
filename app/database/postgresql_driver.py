"""asyncpg's connections: no file of the home folder is read, and a pooler may be in front."""

import os
import ssl
from typing import Any

import asyncpg
from asyncpg.transaction import Transaction

from app.database import limits

_REFUSED_WITH_TLS = "28000"  # by the server's rules, which may allow plain text


async def connect(
    *,
    tls: ssl.SSLContext | None,
    is_tls_optional: bool = False,
    sets_limits: bool = False,
    **options: Any,
) -> asyncpg.Connection:
    """Connect as asyncpg does, with `tls` (None: in plain text).

    If `is_tls_optional`, a server that declines it is connected to in plain text. `sets_limits`:
    limit the times of the session by a statement. Raises the driver's errors, OSError.
    """
    if options.get("password") is None and not {"PGPASSWORD", "PGPASSFILE"} & os.environ.keys():
        options["password"] = ""  # or it is looked for in ~/.pgpass
    try:
        connection = await _connect(tls, is_tls_optional, options)
    except asyncpg.ProtocolViolationError as error:
        if "startup parameter" not in str(error):
            raise
        raise ConnectionError(f"{error}: set KEYSTEAD_DATABASE_POOLER") from error
    if sets_limits:
        await _execute_or_end(connection, _limits("SESSION"))
    return connection


async def _connect(
    tls: ssl.SSLContext | None, is_tls_optional: bool, options: dict[str, Any]
) -> asyncpg.Connection:
    # asyncpg knows an optional TLS too, but looks for certificates in ~/.postgresql meanwhile, and
    # fails if it may not.
    try:
        return await asyncpg.connect(ssl=tls or False, **options)
    except (ConnectionError, ssl.SSLError, asyncpg.PostgresError) as error:
        if not is_tls_optional or not _may_do_without(error):
            raise
    return await asyncpg.connect(ssl=False, **options)


class SharedSession(asyncpg.Connection):  # type: ignore[misc]
    """A connection whose server process a pooler gives to others after each transaction.

    So each transaction limits its times itself.
    """

    __slots__ = ()

    def transaction(
        self, *, isolation: Any = None, readonly: bool = False, deferrable: bool = False
    ) -> Transaction:
        self._check_open()
        return _LimitedTransaction(self, isolation, readonly, deferrable)


class _LimitedTransaction(Transaction):  # type: ignore[misc]
    __slots__ = ()

    async def start(self) -> None:
        await super().start()
        await _execute_or_end(self._connection, _limits("LOCAL"))


def time_limits() -> dict[str, str]:
    """Return PostgreSQL's settings that limit the time of a statement and of its waits."""
    return {
        "statement_timeout": f"{limits.STATEMENT_SECONDS}s",
        "lock_timeout": f"{limits.LOCK_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{limits.IDLE_SECONDS}s",
    }


def _limits(scope: str) -> str:
    return "; ".join(f"SET {scope} {name} = '{value}'" for name, value in time_limits().items())


async def _execute_or_end(connection: asyncpg.Connection, statements: str) -> None:
    try:
        await connection.execute(statements)
    except BaseException:
        connection.terminate()
        raise


def _may_do_without(error: Exception) -> bool:
    """Return whether a connection without TLS may succeed."""
    if isinstance(error, asyncpg.PostgresError):
        return bool(error.sqlstate == _REFUSED_WITH_TLS)
    return not isinstance(error, ConnectionRefusedError)
