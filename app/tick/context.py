"""One try at one occurrence of a job: what the job's function is given."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.database.statements import database_now
from app.resources import Resources
from app.tick.claim import Claim
from app.tick.job import due_at


class Stopping(Exception):
    """The process was requested to stop: what is left is for the next try, here or elsewhere."""


class JobContext:
    """The right to work on an occurrence, and the transactions to do it in."""

    def __init__(
        self, resources: Resources, claim: Claim, session: AsyncSession, deadline: asyncio.Timeout
    ) -> None:
        self.resources = resources
        self.job = claim.job
        self.occurrence = claim.occurrence  # Unix seconds
        self._claim = claim
        self._session = session
        self._deadline = deadline
        self._begun = False

    @property
    def scheduled_at(self) -> datetime:
        """When this occurrence was due: the same at every try, whenever it runs."""
        return due_at(self.occurrence)

    async def begin(self) -> AsyncSession:
        """Return the session whose commit is the record of this run: all of it happens, or none.

        From here on the job's row is locked (on SQLite, every row is), so begin late. Raises
        LostFence if somebody else has the job.
        """
        if not self._begun:
            await self._claim.check_fence(self._session)
            self._begun = True
        return self._session

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[AsyncSession]:
        """Give a session for a part of a long job; it is committed by itself, at the block's end.

        The lease and the time for the work begin anew. Parts that were committed stay when a later
        one fails, and the next try finds them done. Raises LostFence, or Stopping, before anything
        is changed.
        """
        if self._begun:
            raise RuntimeError("a batch after begin() would wait for its own lock")
        if self.resources.stopping.is_set():
            raise Stopping
        lease = self._claim.job.lease
        self._deadline.reschedule(asyncio.get_running_loop().time() + self._claim.job.timeout)
        async with self.resources.database.transaction() as session:
            await self._claim.check_fence(session, lease_until=await database_now(session) + lease)
            yield session
