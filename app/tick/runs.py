"""The status of jobs and the history of their runs."""

import math
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.engine import Database
from app.database.statements import database_now
from app.tick import ahead
from app.tick.job import Job, due_at
from app.tick.runner import Runner
from app.tick.tables import TickJob, TickRun

KEEP_DAYS = 7
LATE_PERIODS = 3


class Run(BaseModel):
    """One run of an occurrence. `seconds`: from its last claim to its end."""

    model_config = ConfigDict(from_attributes=True)

    scheduled_at: datetime
    state: Literal["running", "done", "failed", "dead"]
    attempts: int
    trigger: str
    claimed_at: datetime
    seconds: float | None
    result: dict[str, Any] | None
    error: str | None


class JobStatus(BaseModel):
    """The status of a job. Times are UTC.

    `state`: `ahead` if a clock that was ahead has finished occurrences of the future: none runs.
    `lag`: seconds for which the oldest unfinished occurrence has been due; 0 without one.
    `attempts`: tries since the last success. `next`: the time of the next try.
    `dead`: occurrences that were given up, of the runs still kept.
    `done` to `replayed`: counts since the job was first run.
    """

    job: str
    every: int
    catch_up: Literal["latest", "all", "skip"]
    state: Literal["new", "idle", "running", "failing", "ahead"]
    lag: float
    late: bool
    attempts: int
    next: datetime
    dead: int
    last: Run | None
    done: int
    failed: int
    given_up: int
    lost: int
    replayed: int
    worked_ms: int


async def statuses(session: AsyncSession, runner: Runner) -> list[JobStatus]:
    """Return the status of each of the runner's jobs."""
    now = await database_now(session)
    rows = {row.name: row for row in await session.scalars(select(TickJob))}
    found = []
    for job in runner.jobs.values():
        row = rows.get(job.name) or _never_seen(job, runner.period(job), now)
        last = await history(session, job.name, limit=1)
        dead = await _dead(session, job.name)
        found.append(_status(job, runner.period(job), row, now, dead, last))
    return found


async def history(
    session: AsyncSession,
    job: str,
    *,
    limit: int,
    before: datetime | None = None,
    dead: bool = False,
) -> list[Run]:
    """Return the newest runs of `job`; those due `before` a time; only the `dead` ones."""
    wanted = select(TickRun).where(TickRun.name == job)
    if before is not None:
        wanted = wanted.where(TickRun.occurrence < math.ceil(before.timestamp()))
    if dead:
        wanted = wanted.where(TickRun.state == "dead")
    newest = wanted.order_by(TickRun.occurrence.desc()).limit(limit)
    return [_run(row) for row in await session.scalars(newest)]


async def late(runner: Runner, database: Database) -> list[str]:
    """Return a line for each job that is ahead, or whose lag exceeds LATE_PERIODS periods."""
    async with database.transaction() as session:
        now = await database_now(session)
        seen = (await session.execute(select(TickJob.name, TickJob.done_through))).all()
    lines = []
    for name, done_through in seen:
        if name in runner.jobs:
            period = runner.period(runner.jobs[name])
            if ahead.is_ahead(period, done_through, now):
                lines.append(f"the job {name} does not run: {ahead.reason(done_through, now)}")
            lag = _lag(period, done_through, now)
            if _is_late(period, lag):
                lines.append(f"the job {name} is {lag:.0f} s late: see `keystead tick status`")
    return lines


async def purge(session: AsyncSession, limit: int) -> int:
    """Delete up to `limit` runs older than KEEP_DAYS. Returns how many were deleted."""
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


async def _dead(session: AsyncSession, job: str) -> int:
    counted = select(func.count()).where(TickRun.name == job, TickRun.state == "dead")
    return (await session.execute(counted)).scalar_one()


def _never_seen(job: Job, period: int, now: datetime) -> TickJob:
    done_through = int(now.timestamp() // period * period)
    sums = dict.fromkeys(("fence", "attempts", "done", "failed", "dead", "lost", "replayed"), 0)
    return TickJob(
        name=job.name,
        occurrence=done_through,
        done_through=done_through,
        lease_until=now,
        worked_ms=0,
        **sums,
    )


def _status(
    job: Job, period: int, row: TickJob, now: datetime, dead: int, last: list[Run]
) -> JobStatus:
    lag = _lag(period, row.done_through, now)
    state: Literal["new", "idle", "running", "failing", "ahead"]
    state = "idle" if row.fence else "new"
    due = due_at(row.done_through + period) if row.fence else now
    waits = now < row.lease_until <= ahead.latest_end(job, now)
    if ahead.is_ahead(period, row.done_through, now):
        state = "ahead"
    elif waits and row.owner is None:
        state, due = "failing", row.lease_until
    elif waits:
        state, due = "running", due_at(row.occurrence + period)
    return JobStatus(
        job=job.name,
        every=period,
        catch_up=job.catch_up,
        state=state,
        lag=lag,
        late=_is_late(period, lag),
        attempts=row.attempts,
        next=max(now, due),
        dead=dead,
        last=last[0] if last else None,
        done=row.done,
        failed=row.failed,
        given_up=row.dead,
        lost=row.lost,
        replayed=row.replayed,
        worked_ms=row.worked_ms,
    )


def _lag(period: int, done_through: int, now: datetime) -> float:
    return max(0.0, (now - due_at(done_through + period)).total_seconds())


def _is_late(period: int, lag: float) -> bool:
    return lag > LATE_PERIODS * period


def _run(row: TickRun) -> Run:
    ended = row.finished_at
    return Run(
        scheduled_at=due_at(row.occurrence),
        state=row.state,
        attempts=row.attempts,
        trigger=row.trigger,
        claimed_at=row.claimed_at,
        seconds=(ended - row.claimed_at).total_seconds() if ended is not None else None,
        result=row.result,
        error=row.error,
    )
