"""aiomysql's connection with a limit to every wait, mandatory TLS, and no empty ROLLBACK."""

import asyncio
from typing import Any

from aiomysql import Connection, OperationalError
from pymysql.constants import CLIENT, CR


class _Connection(Connection):  # type: ignore[misc]
    def __init__(self, *, answer_seconds: float | None, tls: bool, **options: Any) -> None:
        super().__init__(**options)
        self._answer_seconds = answer_seconds
        self._tls = tls

    async def _request_authentication(self) -> None:
        if not self.server_capabilities & CLIENT.SSL:
            if self._tls:
                raise OperationalError(CR.CR_SSL_CONNECTION_ERROR, "the server offers no TLS")
            self.client_flag &= ~CLIENT.SSL
        await super()._request_authentication()

    async def _read_bytes(self, num_bytes: int) -> bytes:
        try:
            async with asyncio.timeout(self._answer_seconds):
                data: bytes = await super()._read_bytes(num_bytes)
                return data
        except TimeoutError:
            self.close()
            raise OperationalError(CR.CR_SERVER_LOST, "the server does not answer") from None

    async def rollback(self) -> None:
        if self.get_transaction_status():
            await super().rollback()


async def connect(
    *, connect_seconds: float, answer_seconds: float | None, tls: bool, **options: Any
) -> Connection:
    """Connect as aiomysql does. Raises TimeoutError, and OperationalError if `tls` is declined.

    `connect_seconds` is for everything up to the first statement, `answer_seconds` for each
    answer after it (None: no limit).
    """
    connection = _Connection(answer_seconds=answer_seconds, tls=tls, **options)
    try:
        async with asyncio.timeout(connect_seconds):
            await connection._connect()
            # Not by SQLAlchemy, which would end the driver's autocommit mode along with it.
            await connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    except BaseException:
        connection.close()
        raise
    return connection
