"""asyncpg's connections: no file of the home folder is read, and a pooler may be in front."""

import asyncio
import os
import ssl
from typing import Any

import asyncpg
from asyncpg.transaction import Transaction

from app.database import limits
from app.settings.database_hosts import Servers

_REFUSED_WITH_TLS = "28000"  # by the server's rules, which may allow plain text
# User and password are the same on all servers.
_NO_LOGIN = ("28000", "28P01")
_REFUSALS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InternalClientError)


class Connector:
    """Connects to the server that takes writes, of those that the URL names."""

    def __init__(
        self,
        servers: Servers,
        *,
        tls: ssl.SSLContext | None,
        is_tls_optional: bool,
        sets_limits: bool,
    ) -> None:
        """`tls`: None for plain text. If `is_tls_optional`, a server may decline it.

        `sets_limits`: limit the times of each session by a statement.
        """
        # The one that was connected to last is asked first.
        self._addresses = list(servers.addresses)
        self._target = servers.target
        self._tls = tls
        self._is_tls_optional = is_tls_optional
        self._sets_limits = sets_limits

    async def __call__(self, **options: Any) -> asyncpg.Connection:
        """Connect as asyncpg does. Raises its errors and OSError, after CONNECT_SECONDS at most."""
        if options.get("password") is None and not {"PGPASSWORD", "PGPASSFILE"} & os.environ.keys():
            options["password"] = ""  # or it is looked for in ~/.pgpass
        connection = await self._connect_to_any(options)
        if self._sets_limits:
            await _execute_or_end(connection, _limits("SESSION"))
        return connection

    async def _connect_to_any(self, options: dict[str, Any]) -> asyncpg.Connection:
        refusals = []
        # A server that is silent leaves time for the others.
        seconds = limits.CONNECT_SECONDS / len(self._addresses)
        for address in tuple(self._addresses):
            try:
                async with asyncio.timeout(seconds):
                    connection = await self._connect(address, options)
            except _REFUSALS as error:
                if len(self._addresses) == 1 or getattr(error, "sqlstate", "") in _NO_LOGIN:
                    raise
                refusals.append(f"{address[0]}:{address[1]} ({type(error).__name__}: {error})")
            else:
                self._addresses.remove(address)
                self._addresses.insert(0, address)
                return connection
        raise ConnectionError(f"no host takes writes: {', '.join(refusals)}")

    async def _connect(
        self, address: tuple[str, int], options: dict[str, Any]
    ) -> asyncpg.Connection:
        host, port = address
        options |= {"host": host, "port": port, "target_session_attrs": self._target or "any"}
        try:
            return await _connect(self._tls, self._is_tls_optional, options)
        except asyncpg.ProtocolViolationError as error:
            if "startup parameter" not in str(error):
                raise
            raise ConnectionError(f"{error}: set KEYSTEAD_DATABASE_POOLER") from error


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
