"""asyncpg: its arguments, and reads outside of transactions."""

from ssl import SSLContext
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from app.database import limits
from app.settings.database_hosts import Servers


def connect_arguments(
    mode: str | None,
    context: SSLContext | None,
    *,
    servers: Servers,
    bounded: bool,
    pooler: str = "none",
) -> dict[str, Any]:
    """Return the arguments to connect to one of `servers`, for a TLS `mode` and its `context`.

    Unless `bounded`, statements and locks have no time limit. `pooler`: `none`, `session` or
    `transaction`. Behind one, the limits are no parameters of the connection, which PgBouncer
    refuses.
    """
    from app.database.postgresql_driver import Connector, SharedSession, time_limits

    arguments: dict[str, Any] = {
        "async_creator_fn": Connector(
            servers,
            tls=context,
            is_tls_optional=mode == "prefer",
            sets_limits=bounded and pooler == "session",
        ),
    }
    if pooler == "transaction" or not bounded:
        # Clients that share a server process would give their statements the same names. A
        # migration has to find out whether it shares one.
        arguments |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    if bounded:
        arguments["command_timeout"] = limits.ANSWER_SECONDS
        if pooler == "transaction":
            arguments["connection_class"] = SharedSession
        elif pooler == "none":
            arguments["server_settings"] = time_limits()
    return arguments


def read_in_autocommit(engine: Engine) -> None:
    """Execute the statements of `engine` outside of transactions.

    Engines that share its pool keep theirs: the connection's mode is restored when it is returned.
    """
    set_level = engine.dialect.set_isolation_level

    @event.listens_for(engine, "engine_connect")
    def set_autocommit(connection: Connection) -> None:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        set_level(driver, "AUTOCOMMIT")

    @event.listens_for(engine, "checkin")
    def restore_level(connection: DBAPIConnection | None, _: ConnectionPoolEntry) -> None:
        if connection is not None:
            set_level(connection, "READ COMMITTED")
