"""The runner: claims an occurrence, runs it, and records it in the same transaction."""

import asyncio
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database.errors import ConstraintViolated
from app.database.retry import retry_on_conflict
from app.database.statements import database_now
from app.errors import TickBadTime, UnknownJob
from app.ids import new_id
from app.resources import Resources
from app.tick import ahead
from app.tick import claim as claims
from app.tick.claim import MAX_ATTEMPTS, NEVER, Claim, LostFence, Outcome, make_outcome
from app.tick.context import JobContext, Stopping
from app.tick.job import Job, due_at
from app.tick.tables import PRIMARY_KEY, TickJob

log = structlog.get_logger()


class Runner:
    """Runs jobs. Any number of runners on one database act as one scheduler.

    Raises ValueError if two jobs have one name.
    """

    def __init__(self, resources: Resources, jobs: Sequence[Job]) -> None:
        self.resources = resources
        self.jobs = {job.name: job for job in jobs}
        if len(self.jobs) < len(jobs):
            raise ValueError("two jobs have one name")
        self.skew = timedelta()  # the database's clock minus ours, when last read
        self._owner = f"{socket.gethostname()[:32]}:{os.getpid()}:{new_id().hex[-8:]}"

    def period(self, job: Job) -> int:
        """Return the seconds between two occurrences of `job`."""
        return job.every or self.resources.settings.tick_period

    async def tick(
        self,
        trigger: str,
        scheduled_at: datetime | None = None,
        only: str | None = None,
    ) -> list[Outcome]:
        """Run the jobs that are due at `scheduled_at` (default: now): all, or `only` one.

        Raises UnknownJob, and TickBadTime for a time without an offset, before 1970, or more than a
        job's period ahead.
        """
        jobs = [self._known(only)] if only is not None else list(self.jobs.values())
        now = await self._now()
        at = scheduled_at or now
        if at.tzinfo is None or at < NEVER:
            raise TickBadTime
        if any(at > now + timedelta(seconds=self.period(job)) for job in jobs):
            raise TickBadTime
        return [await self.run(job, at, trigger) for job in jobs]

    async def retry(self, name: str, scheduled_at: datetime) -> Outcome:
        """Retry an unfinished occurrence of the past, as the operator requested.

        Returns `superseded` if it was never started. Raises UnknownJob.
        """
        job = self._known(name)
        claim = await self._claim_again(job, self._occurrence(job, scheduled_at))
        return await self._work(claim) if isinstance(claim, Claim) else claim

    async def reset(self, name: str) -> datetime | None:
        """Let a job that a clock ran ahead continue at the present.

        Returns the time that it was done through, or None if it was not ahead. Raises UnknownJob.
        """
        job = self._known(name)
        async with self.resources.database.transaction() as session:
            done_through = await ahead.reset(session, job, self.period(job))
        return due_at(done_through) if done_through is not None else None

    async def run(self, job: Job, at: datetime, trigger: str) -> Outcome:
        """Run the occurrence of `job` that `at` falls into, after the missed ones that are due."""
        requested = self._occurrence(job, at)
        await self._introduce(job, requested - self.period(job))
        while not self.resources.stopping.is_set():
            claim = await self._claim(job, requested, trigger)
            if isinstance(claim, Outcome):
                await self._count_replay(job, claim, trigger)
                return claim
            outcome = await self._work(claim)
            if outcome.status != "done" or claim.occurrence == requested:
                return outcome
        return make_outcome(job, requested, "running")

    def _known(self, name: str) -> Job:
        if name not in self.jobs:
            raise UnknownJob
        return self.jobs[name]

    def _occurrence(self, job: Job, at: datetime) -> int:
        period = self.period(job)
        return int(at.timestamp() // period * period)

    @retry_on_conflict
    async def _introduce(self, job: Job, done_through: int) -> None:
        """Insert the row of a new job."""
        async with self.resources.database.transaction() as session:
            if await session.get(TickJob, job.name) is not None:
                return
        row = TickJob(
            name=job.name,
            occurrence=done_through,
            done_through=done_through,
            lease_until=NEVER,
        )
        try:
            async with self.resources.database.transaction() as session:
                session.add(row)
        except ConstraintViolated as violated:
            if violated.constraint != PRIMARY_KEY:
                raise  # else another process was faster

    @retry_on_conflict
    async def _claim(self, job: Job, requested: int, trigger: str) -> Claim | Outcome:
        async with self.resources.database.transaction() as session:
            period = self.period(job)
            claim = await claims.acquire(session, job, period, requested, self._owner, trigger)
        if isinstance(claim, Claim) and claim.attempts > MAX_ATTEMPTS:
            # Every try before ended its process: there is no other error to record.
            return await self._fail(claim, "the process died at every attempt")
        return claim

    @retry_on_conflict
    async def _claim_again(self, job: Job, occurrence: int) -> Claim | Outcome:
        async with self.resources.database.transaction() as session:
            return await claims.acquire_for_retry(session, job, occurrence, self._owner)

    async def _work(self, claim: Claim) -> Outcome:
        """Run the job within its timeout, and return the outcome."""
        job = claim.job
        seen = log.bind(job=job.name, occurrence=claim.occurrence)
        try:
            async with asyncio.timeout(job.timeout) as deadline:
                result = await self._do(claim, deadline)
        except LostFence:
            seen.warning("lost the lease")
            return make_outcome(job, claim.occurrence, "running")
        except Stopping:
            await self._release(claim)
            return make_outcome(job, claim.occurrence, "running")
        except Exception as error:
            seen.exception("job failed")
            reason = f"no end within {job.timeout} s" if deadline.expired() else error
            return await self._fail(claim, f"{type(error).__name__}: {reason}"[:1_000])
        return make_outcome(job, claim.occurrence, "done", result=result)

    @retry_on_conflict
    async def _do(self, claim: Claim, deadline: asyncio.Timeout) -> dict[str, Any]:
        """Run the job and record it in the same transaction; return its result."""
        async with self.resources.database.transaction() as session:
            context = JobContext(self.resources, claim, session, deadline)
            with _refuse_commits(session):
                result = await claim.job.run(context)
            await claims.finish(session, claim, result)
        return result

    @retry_on_conflict
    async def _fail(self, claim: Claim, error: str) -> Outcome:
        async with self.resources.database.transaction() as session:
            return await claims.fail(session, claim, error)

    @retry_on_conflict
    async def _release(self, claim: Claim) -> None:
        async with self.resources.database.transaction() as session:
            await claims.release(session, claim)

    async def _count_replay(self, job: Job, outcome: Outcome, trigger: str) -> None:
        # The loops of all processes request the same occurrence: that is no repeated delivery.
        if outcome.status == "replayed" and trigger != "loop":
            await self._note_replay(job)

    @retry_on_conflict
    async def _note_replay(self, job: Job) -> None:
        async with self.resources.database.transaction() as session:
            await claims.count_replay(session, job)

    async def _now(self) -> datetime:
        async with self.resources.database.transaction() as session:
            now = await database_now(session)
        self.skew = now - clock.now()
        return now


@contextmanager
def _refuse_commits(session: AsyncSession) -> Iterator[None]:
    """Refuse a commit in the block: the work would be kept without its record, and run again."""

    def refuse(_: object) -> None:
        raise RuntimeError("a job does not commit: its work and its record are one transaction")

    event.listen(session.sync_session, "before_commit", refuse)
    try:
        yield
    finally:
        event.remove(session.sync_session, "before_commit", refuse)
