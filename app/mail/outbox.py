"""The outbox: messages are put in with the transaction that causes them, and taken out later."""

import asyncio
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, event, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.statements import database_now
from app.mail.tables import MailMessage

SEND_SECONDS = 30
KEEP_DAYS = 30


class Outbox:
    """Where a transaction leaves its mail."""

    def __init__(self, session: AsyncSession, waiting: asyncio.Event) -> None:
        self._session = session
        self._waiting = waiting

    def enqueue(self, letter: str, address: str) -> None:
        """Have `letter` sent to whoever has `address`, once the transaction is committed."""
        self._session.add(MailMessage(letter=letter, address=address))
        event.listen(
            self._session.sync_session,
            "after_commit",
            lambda _: self._waiting.set(),
            once=True,
        )


async def purge(session: AsyncSession, limit: int) -> int:
    """Delete up to `limit` messages that were finished KEEP_DAYS ago. Returns how many."""
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
