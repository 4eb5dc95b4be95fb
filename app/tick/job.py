"""What a periodic job is, and what it is given when it runs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import changed, database_now
from app.services import Services
from app.tick.tables import TickJob

# Beyond a job's time-out, so that its holder gives up before somebody else may begin.
LEASE_MARGIN = timedelta(seconds=10)


class LostFence(Exception):
    """The lease ran out and somebody else claimed the job: what was done since is rolled back."""


@dataclass(frozen=True)
class Job:
    """Work that happens once an occurrence.

    An occurrence is a multiple of `every` seconds of Unix time; `every` is the tick's own period
    (KEYSTEAD_TICK_SECONDS) if not given. `run` is called with a Turn and returns what is kept as
    the result (JSON). It has `timeout` seconds. Occurrences that nobody ran are skipped
    (`catch_up="latest"`), or made up for in order (`"all"`, up to 100 of them).
    """

    name: str
    run: Callable[["Turn"], Awaitable[dict[str, Any]]]
    every: int | None = None
    catch_up: Literal["latest", "all"] = "latest"
    timeout: int = 30

    @property
    def lease(self) -> timedelta:
        """For how long a claim keeps others away."""
        return timedelta(seconds=self.timeout) + LEASE_MARGIN


class Turn:
    """One try at one occurrence of a job."""

    def __init__(
        self,
        services: Services,
        session: AsyncSession,
        job: Job,
        occurrence: int,
        fence: int,
    ) -> None:
        self.services = services
        self.job = job
        self.occurrence = occurrence  # Unix seconds
        self.fence = fence
        self._session = session
        self._begun = False

    @property
    def scheduled_at(self) -> datetime:
        return datetime.fromtimestamp(self.occurrence, UTC)

    async def begin(self) -> AsyncSession:
        """Return the session whose commit is the record of this run: all of it happens, or none.

        From here on the job's row is locked. Raises LostFence if somebody else has the job.
        """
        if not self._begun:
            await self._hold(self._session, fence=self.fence)
            self._begun = True
        return self._session

    async def renew(self) -> None:
        """Extend the lease, between two batches of a long job. Raises LostFence."""
        async with self.services.database.transaction() as session:
            now = await database_now(session)
            await self._hold(session, lease_until=now + self.job.lease)

    async def _hold(self, session: AsyncSession, **values: object) -> None:
        # An UPDATE, because it keeps the row locked on every database.
        mine = update(TickJob).where(
            TickJob.name == self.job.name,
            TickJob.fence == self.fence,
            TickJob.owner.is_not(None),
        )
        if await changed(session, mine.values(**values)) != 1:
            raise LostFence(self.job.name)
