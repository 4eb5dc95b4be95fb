"""The outbox: mail is enqueued within a transaction, and delivered after its commit."""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, event, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.statements import database_now
from app.mail.tables import MailMessage

SEND_SECONDS = 30
KEEP_DAYS = 30
_FORGOTTEN_AT_ONCE = 1_000


class Outbox:
    """The outbox within one transaction."""

    def __init__(self, session: AsyncSession, waiting: asyncio.Event) -> None:
        self._session = session
        self._waiting = waiting

    def enqueue(self, letter: str, address: str) -> None:
        """Send `letter` to the account that has `address`, after the commit."""
        self._session.add(MailMessage(letter=letter, address=address))
        event.listen(
            self._session.sync_session,
            "after_commit",
            lambda _: self._waiting.set(),
            once=True,
        )

    async def forget(self, addresses: Collection[str]) -> None:
        """Delete the messages to these addresses, whatever became of them."""
        # Found first: MySQL and MariaDB lock every row that a DELETE looks at.
        found = select(MailMessage.id).where(MailMessage.address.in_(addresses))
        ids = list(await self._session.scalars(found.order_by(MailMessage.id)))
        for start in range(0, len(ids), _FORGOTTEN_AT_ONCE):
            some = ids[start : start + _FORGOTTEN_AT_ONCE]
            await self._session.execute(delete(MailMessage).where(MailMessage.id.in_(some)))


async def purge(session: AsyncSession, limit: int) -> int:
    """Delete up to `limit` messages finished KEEP_DAYS ago. Returns how many were deleted."""
    now = await database_now(session)
    old: list[UUID] = list(
        await session.scalars(
            select(MailMessage.id)
            .where(MailMessage.finished_at < now - timedelta(days=KEEP_DAYS))
            .limit(limit)
        )
    )
    await session.execute(delete(MailMessage).where(MailMessage.id.in_(old)))
    return len(old)
