"""PostgreSQL's driver, told where no transaction is wanted."""

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry


def read_alone(engine: sqlalchemy.Engine) -> None:
    """Let what `engine` executes stand alone; others that share its pool have transactions."""
    to = engine.dialect.set_isolation_level

    @event.listens_for(engine, "engine_connect")
    def begin_nothing(connection: sqlalchemy.Connection) -> None:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        to(driver, "AUTOCOMMIT")

    @event.listens_for(engine, "checkin")
    def begin_again(connection: DBAPIConnection | None, _: ConnectionPoolEntry) -> None:
        if connection is not None:
            to(connection, "READ COMMITTED")
