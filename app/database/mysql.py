"""aiomysql: its arguments and event listeners. The connection itself is in mysql_driver.py."""

from functools import partial
from ssl import SSLContext
from typing import Any

from sqlalchemy import Connection, Engine, event

from app.database import limits


def connect_arguments(
    mode: str | None, context: SSLContext | None, *, bounded: bool
) -> dict[str, Any]:
    """Return the arguments to connect with, for a TLS `mode` and its `context`.

    Unless `bounded`, statements and locks have no time limit.
    """
    from app.database.mysql_driver import connect

    arguments: dict[str, Any] = {
        "ssl": context,
        # A migration's DDL commits; the statements after it start their transaction themselves.
        "autocommit": bounded,
        "async_creator_fn": partial(
            connect,
            connect_seconds=limits.CONNECT_SECONDS,
            answer_seconds=limits.ANSWER_SECONDS if bounded else None,
            tls=context is not None and mode != "prefer",
        ),
    }
    if bounded:
        # MySQL reads a comment with !, MariaDB one with M!. MySQL limits SELECT alone.
        arguments["init_command"] = (
            f"SET SESSION innodb_lock_wait_timeout = {limits.LOCK_SECONDS}, "
            f"lock_wait_timeout = {limits.LOCK_SECONDS} "
            f"/*!80000 , max_execution_time = {limits.STATEMENT_SECONDS * 1_000} */"
            f"/*M! , max_statement_time = {limits.STATEMENT_SECONDS},"
            f" idle_transaction_timeout = {limits.IDLE_SECONDS} */"
        )
    return arguments


def register_events(engine: Engine) -> None:
    """Send BEGIN at the start of each transaction: the connections are in autocommit mode."""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")
