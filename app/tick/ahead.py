"""What a clock that was ahead leaves behind: leases and finished occurrences of the future.

A lease of the future is ignored, because a fencing token guards its job. An occurrence of the
future cannot be undone without an operator, who knows which of the two clocks was wrong.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.statements import database_now, execute_rowcount
from app.tick.job import Job, due_at
from app.tick.tables import TickJob, TickRun

# More than clocks differ that anybody watches, and than the longest pause after a failure.
_SLACK = timedelta(hours=1)


def is_ahead(period: int, done_through: int, now: datetime) -> bool:
    """Return whether an occurrence is finished that nobody could have asked for by `now`.

    A caller may be one period ahead of the database's clock.
    """
    return due_at(done_through) > now + timedelta(seconds=2 * period)


def latest_end(job: Job, now: datetime) -> datetime:
    """Return the time by which a lease or a pause that began before `now` has ended."""
    return now + job.lease + _SLACK


def reason(done_through: int, now: datetime) -> str:
    """Return the problem of a job that is ahead, and its remedy."""
    days = (due_at(done_through) - now) / timedelta(days=1)
    return (
        f"a clock was ahead: it is done through {due_at(done_through):%Y-%m-%dT%H:%M:%SZ}, "
        f"{days:.1f} days from now. If the clock is right now, run `keystead tick reset`"
    )


async def reset(session: AsyncSession, job: Job, period: int) -> int | None:
    """Make a job that is ahead continue at the present; return the occurrence it was done through.

    The newest occurrence that was done by now stays done. Records of the future are deleted, and
    a process that holds the job loses it. Returns None for a job that is not ahead.
    """
    now = await database_now(session)
    row = await session.get(TickJob, job.name)
    if row is None or not is_ahead(period, row.done_through, now):
        return None
    present = int(now.timestamp())
    runs = (TickRun.name == job.name, TickRun.occurrence <= present)
    newest = await session.scalar(
        select(func.max(TickRun.occurrence)).where(*runs, TickRun.state == "done")
    )
    done_through = max(newest or 0, present // period * period - period)
    values = {
        "fence": row.fence + 1,
        "owner": None,
        "occurrence": done_through,
        "done_through": done_through,
        "lease_until": due_at(0),
        "attempts": 0,
    }
    mine = update(TickJob).where(TickJob.name == job.name, TickJob.fence == row.fence)
    if await execute_rowcount(session, mine.values(**values)) != 1:
        return None
    await session.execute(
        delete(TickRun).where(TickRun.name == job.name, TickRun.occurrence > present + period)
    )
    return row.done_through
