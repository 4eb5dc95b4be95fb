"""What each driver is told when it connects: limits to every wait, TLS, and the password."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from ssl import SSLContext
from typing import Any

from sqlalchemy import make_url

from app.faults import code_of

# Seconds. A client waits half a minute at most: each limit leaves it time for an answer.
CONNECT_SECONDS = 5  # a host that is there answers in milliseconds, a silent one never
LOCK_SECONDS = 5  # two hundred writers of one row take a second
QUEUE_SECONDS = 30  # on SQLite, where all writers of all tables stand in one line
STATEMENT_SECONDS = 15  # ours take milliseconds
ANSWER_SECONDS = 20  # for when the server itself is what went silent
IDLE_SECONDS = 60  # in a transaction: a process that froze gives its locks back


def _sqlite_arguments(_: str | None, __: SSLContext | None, *, bounded: bool) -> dict[str, Any]:
    from app.sqlite_driver import connect

    return {
        # The driver's own BEGINs would come late and leave DDL outside.
        "isolation_level": None,
        "timeout": QUEUE_SECONDS,
        "async_creator_fn": connect,
    }


def _postgres_arguments(
    mode: str | None, context: SSLContext | None, *, bounded: bool
) -> dict[str, Any]:
    from asyncpg import connect

    arguments: dict[str, Any] = {"timeout": CONNECT_SECONDS, "async_creator_fn": connect}
    if mode is not None:
        # The driver falls back to plain text for the word alone, never for a context.
        arguments["ssl"] = mode if mode in ("disable", "prefer") else context
    if bounded:
        arguments["command_timeout"] = ANSWER_SECONDS
        arguments["server_settings"] = {
            "statement_timeout": f"{STATEMENT_SECONDS}s",
            "lock_timeout": f"{LOCK_SECONDS}s",
            "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
        }
    return arguments


def _mysql_arguments(
    mode: str | None, context: SSLContext | None, *, bounded: bool
) -> dict[str, Any]:
    from app.mysql import connect

    arguments: dict[str, Any] = {
        "ssl": context,
        # A migration's next step is of one transaction with what follows a statement of DDL.
        "autocommit": bounded,
        "async_creator_fn": partial(
            connect,
            connect_seconds=CONNECT_SECONDS,
            answer_seconds=ANSWER_SECONDS if bounded else None,
            tls=context is not None and mode != "prefer",
        ),
    }
    if bounded:
        # A comment with ! is read by MySQL, with M! by MariaDB. MySQL limits SELECT alone.
        arguments["init_command"] = (
            f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}, "
            f"lock_wait_timeout = {LOCK_SECONDS} "
            f"/*!80000 , max_execution_time = {STATEMENT_SECONDS * 1_000} */"
            f"/*M! , max_statement_time = {STATEMENT_SECONDS},"
            f" idle_transaction_timeout = {IDLE_SECONDS} */"
        )
    return arguments


ARGUMENTS: dict[str, Callable[..., dict[str, Any]]] = {
    "aiosqlite": _sqlite_arguments,
    "asyncpg": _postgres_arguments,
    "aiomysql": _mysql_arguments,
}
"""By the driver's name: what it connects with; `async_creator_fn` does it."""


_WRONG_PASSWORD = ("28P01", "28000", 1045)


class Renewed:
    """Connects; where the password is refused, once more with the one that is right by now."""

    def __init__(self, connect: Callable[..., Awaitable[Any]], renewed: Callable[[], str]) -> None:
        self._connect = connect
        self._renewed = renewed
        self._credentials: dict[str, Any] = {}

    async def __call__(self, *args: Any, **options: Any) -> Any:
        try:
            return await self._connect(*args, **options | self._credentials)
        except Exception as refusal:
            if code_of(refusal) not in _WRONG_PASSWORD:
                raise
            try:
                url = make_url(await asyncio.to_thread(self._renewed))
            except ValueError as unread:
                raise refusal from unread
        self._credentials = {"user": url.username, "password": url.password}
        return await self._connect(*args, **options | self._credentials)
