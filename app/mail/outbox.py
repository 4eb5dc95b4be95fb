"""The outbox: mail is enqueued within a transaction, and delivered after its commit."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, event, func, select
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
        """Delete the messages to these addresses in every state."""
        # Found first: MySQL and MariaDB lock every row that a DELETE looks at.
        found = select(MailMessage.id).where(MailMessage.address.in_(addresses))
        ids = list(await self._session.scalars(found.order_by(MailMessage.id)))
        for start in range(0, len(ids), _FORGOTTEN_AT_ONCE):
            some = ids[start : start + _FORGOTTEN_AT_ONCE]
            await self._session.execute(delete(MailMessage).where(MailMessage.id.in_(some)))


@dataclass(frozen=True)
class Backlog:
    """The messages that are not sent. `oldest`: seconds since the oldest waiting one was written.

    `dead`: given up, as long as they are kept.
    """

    waiting: int
    dead: int
    oldest: float


async def read_backlog(session: AsyncSession) -> Backlog:
    """Return the number of waiting and dead messages, and the age of the oldest waiting one."""
    now = await database_now(session)
    counted = (
        select(MailMessage.state, func.count(), func.min(MailMessage.created_at))
        .where(MailMessage.state.in_(("waiting", "dead")))
        .group_by(MailMessage.state)
    )
    found = {state: (count, first) for state, count, first in await session.execute(counted)}
    waiting, first = found.get("waiting", (0, now))
    dead, _ = found.get("dead", (0, now))
    # Written by the clock of a process, which may be ahead of the database's.
    return Backlog(waiting, dead, max(0.0, (now - first).total_seconds()))


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
