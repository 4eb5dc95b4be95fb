"""Runs jobs: claim an occurrence, work in one transaction behind a fence, record what came of it.

The lease keeps others away while somebody works; the fence keeps a holder from committing after
its lease ran out. See M. Kleppmann, "How to do distributed locking" (2016), on fencing tokens.
"""

import asyncio
import os
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import structlog
from sqlalchemy import delete, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import changed, database_now, utcnow
from app.errors import BadTickTime, UnknownJob
from app.faults import retried
from app.ids import new_id
from app.services import Services
from app.tick.job import Job, LostFence, Turn
from app.tick.tables import TickJob, TickRun

log = structlog.get_logger()

MAX_ATTEMPTS = 5
MAX_CATCH_UP = 100
KEEP_DAYS = 7
NEVER = datetime(1970, 1, 1, tzinfo=UTC)

Status = Literal["done", "replayed", "superseded", "running", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of one occurrence of a job."""

    job: str
    occurrence: datetime
    status: Status
    result: dict[str, Any] | None = None
    error: str | None = None


@dataclass(frozen=True)
class Claim:
    """The right to work on an occurrence, while nobody has claimed the job since.

    `attempts`: tries of the job since its last success, this one included.
    """

    job: Job
    occurrence: int
    fence: int
    attempts: int


class Runner:
    """Runs the jobs that it is given. Any number of runners on one database are one scheduler."""

    def __init__(self, services: Services, jobs: Sequence[Job]) -> None:
        self.services = services
        self.jobs = {job.name: job for job in jobs}
        self._owner = f"{socket.gethostname()[:32]}:{os.getpid()}:{new_id().hex[-8:]}"

    def period(self, job: Job) -> int:
        """Return the seconds between two occurrences of `job`."""
        return job.every or self.services.settings.tick_period

    async def tick(
        self,
        trigger: str,
        scheduled_at: datetime | None = None,
        only: str | None = None,
    ) -> list[Outcome]:
        """Run what is due at `scheduled_at` (default: now): every job, or `only` one.

        Raises UnknownJob; BadTickTime for a time without an offset, before 1970, or more than a
        job's period in the future.
        """
        if only is not None and only not in self.jobs:
            raise UnknownJob
        jobs = [self.jobs[only]] if only else list(self.jobs.values())
        now = await self._now()
        at = scheduled_at or now
        if at.tzinfo is None or at < NEVER:
            raise BadTickTime
        if any(at > now + timedelta(seconds=self.period(job)) for job in jobs):
            raise BadTickTime
        return [await self.run(job, at, trigger) for job in jobs]

    async def run(self, job: Job, at: datetime, trigger: str) -> Outcome:
        """Run the occurrence of `job` that `at` falls into, after those it has to make up for."""
        period = self.period(job)
        asked = int(at.timestamp() // period * period)
        await self._introduce(job, asked - period)
        while True:
            claim = await self._claim(job, asked, trigger)
            if isinstance(claim, Outcome):
                return claim
            outcome = await self._work(claim)
            if outcome.status != "done" or claim.occurrence == asked:
                return outcome

    @retried
    async def _introduce(self, job: Job, done_through: int) -> None:
        """Make the row of a job that was never seen before."""
        async with self.services.database.transaction() as session:
            if await session.get(TickJob, job.name) is not None:
                return
        row = TickJob(
            name=job.name,
            occurrence=done_through,
            done_through=done_through,
            lease_until=NEVER,
        )
        try:
            async with self.services.database.transaction() as session:
                session.add(row)
        except IntegrityError:
            pass  # somebody else was faster

    @retried
    async def _claim(self, job: Job, asked: int, trigger: str) -> Claim | Outcome:
        """Take the next occurrence up to `asked`; or tell why there is nothing to take."""
        async with self.services.database.transaction() as session:
            now = await database_now(session)
            row = await session.get_one(TickJob, job.name)
            if row.done_through >= asked:
                return await self._past(session, job, asked)
            if row.lease_until > now:
                return await self._waiting(session, job, row, asked)
            occurrence = self._next(job, row.done_through, asked)
            held = Claim(job, occurrence, row.fence + 1, row.attempts + 1)
            claim = (
                update(TickJob)
                .where(
                    TickJob.name == job.name,
                    TickJob.fence == row.fence,
                    TickJob.lease_until < now,
                    TickJob.done_through < occurrence,
                )
                .values(
                    fence=held.fence,
                    owner=self._owner,
                    occurrence=occurrence,
                    lease_until=now + job.lease,
                    attempts=held.attempts,
                )
            )
            if await changed(session, claim) != 1:
                return _outcome(job, asked, "running")
            await self._note_attempt(session, held, trigger)
        if held.attempts > MAX_ATTEMPTS:
            # Every try before took its process down: there is no error to show but that.
            return await self._fail(held, "the process died at every attempt")
        return held

    def _next(self, job: Job, done_through: int, asked: int) -> int:
        if job.catch_up == "latest":
            return asked
        period = self.period(job)
        oldest = done_through // period * period + period
        return max(oldest, asked - (MAX_CATCH_UP - 1) * period)

    async def _note_attempt(self, session: AsyncSession, claim: Claim, trigger: str) -> None:
        key = {"name": claim.job.name, "occurrence": claim.occurrence}
        run = await session.get(TickRun, key)
        values = {
            "fence": claim.fence,
            "state": "running",
            "attempts": run.attempts + 1 if run is not None else 1,
            "trigger": trigger,
            "claimed_at": utcnow(),
            "finished_at": None,
        }
        if run is None:
            await session.execute(insert(TickRun).values(**key, **values))
        else:
            await session.execute(update(TickRun).filter_by(**key).values(**values))

    async def _past(self, session: AsyncSession, job: Job, asked: int) -> Outcome:
        run = await session.get(TickRun, {"name": job.name, "occurrence": asked})
        if run is not None and run.state == "done":
            return _outcome(job, asked, "replayed", result=run.result)
        if run is not None and run.state == "dead":
            return _outcome(job, asked, "failed", error=run.error)
        return _outcome(job, asked, "superseded")

    async def _waiting(self, session: AsyncSession, job: Job, row: TickJob, asked: int) -> Outcome:
        if row.owner is not None:
            return _outcome(job, asked, "running")
        run = await session.get(TickRun, {"name": job.name, "occurrence": row.occurrence})
        return _outcome(job, asked, "failed", error=run.error if run is not None else None)

    async def _work(self, claim: Claim) -> Outcome:
        """Do the job's work, within its time, and tell what came of it."""
        job = claim.job
        try:
            async with asyncio.timeout(job.timeout):
                result = await self._do(claim)
        except LostFence:
            log.warning("lost the lease", job=job.name, occurrence=claim.occurrence)
            return _outcome(job, claim.occurrence, "running")
        except Exception as error:
            log.exception("job failed", job=job.name, occurrence=claim.occurrence)
            return await self._fail(claim, f"{type(error).__name__}: {error}"[:1_000])
        return _outcome(job, claim.occurrence, "done", result=result)

    @retried
    async def _do(self, claim: Claim) -> dict[str, Any]:
        """Do the job's work and record it in the same transaction; return its result."""
        async with self.services.database.transaction() as session:
            turn = Turn(self.services, session, claim.job, claim.occurrence, claim.fence)
            result = await claim.job.run(turn)
            await turn.begin()
            await self._record(session, claim, "done", result=result)
            await self._release(session, claim, done=True)
        return result

    @retried
    async def _fail(self, claim: Claim, error: str) -> Outcome:
        """Let go of a job that failed: for a while, or for good after MAX_ATTEMPTS."""
        dead = claim.attempts >= MAX_ATTEMPTS
        async with self.services.database.transaction() as session:
            now = await database_now(session)
            until = NEVER if dead else now + _pause(claim.attempts)
            if not await self._release(session, claim, done=dead, lease_until=until):
                # The commit that seemed to fail went through; or somebody else has the job.
                return await self._past(session, claim.job, claim.occurrence)
            await self._record(session, claim, "dead" if dead else "failed", error=error)
        return _outcome(claim.job, claim.occurrence, "failed", error=error)

    async def _record(
        self,
        session: AsyncSession,
        claim: Claim,
        state: str,
        result: dict[str, Any] | None = None,
        error: str | None = None,
    ) -> None:
        await session.execute(
            update(TickRun)
            .filter_by(name=claim.job.name, occurrence=claim.occurrence)
            .values(state=state, finished_at=utcnow(), result=result, error=error)
        )

    async def _release(
        self,
        session: AsyncSession,
        claim: Claim,
        *,
        done: bool,
        lease_until: datetime = NEVER,
    ) -> bool:
        """Give the job back, if it is still ours; `done`: this occurrence is dealt with."""
        values: dict[str, Any] = {"owner": None, "lease_until": lease_until}
        if done:
            values |= {"done_through": claim.occurrence, "attempts": 0}
        mine = update(TickJob).where(
            TickJob.name == claim.job.name,
            TickJob.fence == claim.fence,
            TickJob.owner == self._owner,
        )
        return await changed(session, mine.values(**values)) == 1

    async def _now(self) -> datetime:
        async with self.services.database.transaction() as session:
            return await database_now(session)


def _outcome(
    job: Job,
    occurrence: int,
    status: Status,
    result: dict[str, Any] | None = None,
    error: str | None = None,
) -> Outcome:
    return Outcome(job.name, datetime.fromtimestamp(occurrence, UTC), status, result, error)


def _pause(attempts: int) -> timedelta:
    """Return how long to wait after `attempts` failures: doubling from 5 s, spread."""
    return timedelta(seconds=5 * 2 ** (attempts - 1) * random.uniform(1, 1.25))


async def purge(session: AsyncSession, limit: int) -> int:
    """Delete up to `limit` runs older than KEEP_DAYS. Returns how many."""
    now = await database_now(session)
    key = tuple_(TickRun.name, TickRun.occurrence)
    old = (
        select(TickRun.name, TickRun.occurrence)
        .where(TickRun.claimed_at < now - timedelta(days=KEEP_DAYS))
        .limit(limit)
    )
    keys = [tuple(row) for row in await session.execute(old)]
    await session.execute(delete(TickRun).where(key.in_(keys)))
    return len(keys)
