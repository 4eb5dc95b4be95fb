"""Claims: every change of a job's row and of the record of its runs.

A lease keeps other processes away while one runs the job; a fencing token keeps a process whose
lease has expired from committing. See M. Kleppmann, "How to do distributed locking" (2016).
"""

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Update, insert, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.statements import database_now, execute_rowcount
from app.database.types import utcnow
from app.tick import ahead
from app.tick.job import Job, due_at
from app.tick.tables import TickJob, TickRun

MAX_ATTEMPTS = 5
MAX_CATCH_UP = 100
NEVER = datetime(1970, 1, 1, tzinfo=UTC)

Status = Literal["done", "replayed", "superseded", "running", "failed"]


class LostFence(Exception):
    """The lease expired and another process claimed the job: the work since then is rolled back."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one occurrence of a job."""

    job: str
    occurrence: datetime
    status: Status
    result: dict[str, Any] | None = None
    error: str | None = None


@dataclass(frozen=True)
class Claim:
    """The right to run an occurrence, valid until another process claims the job.

    `done_through`: the newest occurrence that is finished once this one is.
    `attempts`: tries of the job since its last success, with this one; a retry by hand is not
    counted.
    `last`: whether the occurrence is given up if this try fails.
    """

    job: Job
    occurrence: int
    fence: int
    owner: str
    done_through: int
    attempts: int
    last: bool
    _began: float = field(default_factory=time.monotonic)

    @property
    def mine(self) -> Update:
        """An UPDATE of the job's row that matches only while this claim holds."""
        return update(TickJob).where(
            TickJob.name == self.job.name,
            TickJob.fence == self.fence,
            TickJob.owner == self.owner,
        )

    @property
    def worked_ms(self) -> int:
        return round((time.monotonic() - self._began) * 1_000)

    async def check_fence(self, session: AsyncSession, **values: object) -> None:
        """Lock the job's row until the commit, with `values`.

        Raises LostFence if another process has claimed the job.
        """
        # An UPDATE locks the row on all four databases.
        if await execute_rowcount(session, self.mine.values(fence=self.fence, **values)) != 1:
            raise LostFence(self.job.name)


async def acquire(
    session: AsyncSession, job: Job, period: int, requested: int, owner: str, trigger: str
) -> Claim | Outcome:
    """Claim the next occurrence up to `requested`, or return why none can be claimed."""
    now = await database_now(session)
    row = await session.get_one(TickJob, job.name)
    if ahead.is_ahead(period, row.done_through, now):
        reason = ahead.reason(row.done_through, now)
        return make_outcome(job, requested, "failed", error=reason)
    if row.done_through >= requested:
        return await recorded_outcome(session, job, requested)
    if now < row.lease_until <= ahead.latest_end(job, now):
        return await _waiting(session, job, row, requested)
    if job.catch_up == "skip" and due_at(requested + period) <= now:
        return make_outcome(job, requested, "superseded")
    occurrence = _next(job, period, row.done_through, requested)
    claim = Claim(
        job,
        occurrence,
        row.fence + 1,
        owner,
        done_through=occurrence,
        attempts=row.attempts + 1,
        last=row.attempts + 1 >= MAX_ATTEMPTS,
    )
    free = (
        TickJob.fence == row.fence,
        or_(TickJob.lease_until < now, TickJob.lease_until > ahead.latest_end(job, now)),
        TickJob.done_through < occurrence,
    )
    if not await _seize(session, claim, row, now, trigger, *free):
        return make_outcome(job, requested, "running")
    return claim


async def acquire_for_retry(
    session: AsyncSession, job: Job, occurrence: int, owner: str
) -> Claim | Outcome:
    """Claim an unfinished occurrence of the past, for a retry by hand.

    Returns its outcome if it is done, was never started, or the job is running.
    """
    now = await database_now(session)
    row = await session.get(TickJob, job.name)
    run = await session.get(TickRun, {"name": job.name, "occurrence": occurrence})
    if row is None or run is None or run.state == "done":
        return await recorded_outcome(session, job, occurrence)
    if row.owner is not None and now < row.lease_until <= ahead.latest_end(job, now):
        return make_outcome(job, occurrence, "running")
    claim = Claim(
        job,
        occurrence,
        row.fence + 1,
        owner,
        done_through=max(row.done_through, occurrence),
        attempts=row.attempts,
        last=True,
    )
    if not await _seize(session, claim, row, now, "retry", TickJob.fence == row.fence):
        return make_outcome(job, occurrence, "running")
    return claim


async def finish(session: AsyncSession, claim: Claim, result: dict[str, Any]) -> None:
    """Record success, in the transaction of the work. Raises LostFence."""
    counted = {"done": TickJob.done + 1, "worked_ms": TickJob.worked_ms + claim.worked_ms}
    await claim.check_fence(session, **_freed(claim), attempts=0, **counted)
    await _record(session, claim, "done", result=result)


async def fail(session: AsyncSession, claim: Claim, error: str) -> Outcome:
    """Record failure: the job is retried after a pause, or the occurrence is given up."""
    if claim.last:
        values = _freed(claim) | {"attempts": 0, "dead": TickJob.dead + 1}
    else:
        until = await database_now(session) + _pause(claim.attempts)
        values = {"owner": None, "lease_until": until}
    values |= {"failed": TickJob.failed + 1, "worked_ms": TickJob.worked_ms + claim.worked_ms}
    if await execute_rowcount(session, claim.mine.values(**values)) != 1:
        # The commit that seemed to fail succeeded, or another process has the job.
        return await recorded_outcome(session, claim.job, claim.occurrence)
    await _record(session, claim, "dead" if claim.last else "failed", error=error)
    return make_outcome(claim.job, claim.occurrence, "failed", error=error)


async def release(session: AsyncSession, claim: Claim) -> None:
    """Release a job that was interrupted, without counting the try."""
    values = {"owner": None, "lease_until": NEVER, "attempts": max(0, claim.attempts - 1)}
    if await execute_rowcount(session, claim.mine.values(**values)) == 1:
        await _record(session, claim, "failed", error="interrupted: the process is stopping")


async def count_replay(session: AsyncSession, job: Job) -> None:
    """Count a delivery whose occurrence was already done."""
    row = update(TickJob).where(TickJob.name == job.name)
    await session.execute(row.values(replayed=TickJob.replayed + 1))


async def recorded_outcome(session: AsyncSession, job: Job, occurrence: int) -> Outcome:
    """Return the outcome of an occurrence that is finished."""
    run = await session.get(TickRun, {"name": job.name, "occurrence": occurrence})
    if run is not None and run.state == "done":
        return make_outcome(job, occurrence, "replayed", result=run.result)
    if run is not None and run.state == "dead":
        return make_outcome(job, occurrence, "failed", error=run.error)
    return make_outcome(job, occurrence, "superseded")


def make_outcome(
    job: Job,
    occurrence: int,
    status: Status,
    result: dict[str, Any] | None = None,
    error: str | None = None,
) -> Outcome:
    return Outcome(job.name, due_at(occurrence), status, result, error)


def _next(job: Job, period: int, done_through: int, requested: int) -> int:
    if job.catch_up != "all":
        return requested
    oldest = done_through // period * period + period
    return max(oldest, requested - (MAX_CATCH_UP - 1) * period)


async def _waiting(session: AsyncSession, job: Job, row: TickJob, requested: int) -> Outcome:
    if row.owner is not None:
        return make_outcome(job, requested, "running")
    run = await session.get(TickRun, {"name": job.name, "occurrence": row.occurrence})
    return make_outcome(job, requested, "failed", error=run.error if run is not None else None)


async def _seize(
    session: AsyncSession, claim: Claim, row: TickJob, now: datetime, trigger: str, *free: Any
) -> bool:
    """Write the claim into the job's row, if it matches `free`, and start the run's record."""
    # An owner whose lease has expired is taken for dead.
    lost = row.occurrence if row.owner is not None else None
    values = {
        "fence": claim.fence,
        "owner": claim.owner,
        "occurrence": claim.occurrence,
        "lease_until": now + claim.job.lease,
        "attempts": claim.attempts,
        "lost": TickJob.lost + int(lost is not None),
    }
    mine = update(TickJob).where(TickJob.name == claim.job.name, *free)
    if await execute_rowcount(session, mine.values(**values)) != 1:
        return False
    if lost is not None:
        run = update(TickRun).filter_by(name=claim.job.name, occurrence=lost, state="running")
        error = "lost: its process died, or slept past the lease"
        await session.execute(run.values(state="failed", finished_at=utcnow(), error=error))
    await _note_attempt(session, claim, trigger)
    return True


async def _note_attempt(session: AsyncSession, claim: Claim, trigger: str) -> None:
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


async def _record(
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


def _freed(claim: Claim) -> dict[str, Any]:
    return {"owner": None, "lease_until": NEVER, "done_through": claim.done_through}


def _pause(attempts: int) -> timedelta:
    """Return the pause after `attempts` failures: 5 s, doubled each time, plus up to 25 %."""
    return timedelta(seconds=5 * 2 ** (attempts - 1) * random.uniform(1, 1.25))
