"""The job context: the argument of a job's function."""

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
    """The process is stopping: the rest of the work is for the next try."""


class JobContext:
    """One try at one occurrence of a job, and the transactions to run it in."""

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
        """The time at which this occurrence was due (aware, UTC), the same at every try."""
        return due_at(self.occurrence)

    async def begin(self) -> AsyncSession:
        """Return the session that is committed together with the record of this run.

        Locks the job's row until the end (on SQLite, the whole database), so call it late. Raises
        LostFence if another process has claimed the job.
        """
        if not self._begun:
            await self._claim.check_fence(self._session)
            self._begun = True
        return self._session

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[AsyncSession]:
        """Give a session for one part of a long job, committed at the end of the block.

        Renews the lease and the job's time limit. Committed parts stay when a later one fails: the
        next try must find them done. Raises LostFence, or Stopping, before the block runs.
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
