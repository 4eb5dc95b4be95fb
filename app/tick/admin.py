"""How the jobs are, for superusers: what `keystead tick status` and `history` print, as JSON."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel

from app.errors import NotFound
from app.http.dependencies import SessionDep
from app.tick import runs
from app.tick.dependencies import RunnerDep
from app.tick.runs import JobStatus, Run

router = APIRouter(prefix="/admin/ticks", tags=["tick"])


class TickStatus(BaseModel):
    items: list[JobStatus]


class TickHistory(BaseModel):
    """The newest first. `next`: pass it as `before` to get those before them; null at the end."""

    items: list[Run]
    next: datetime | None


@router.get("", name="tick:status", summary="See how the jobs are")
async def status(runner: RunnerDep, session: SessionDep) -> TickStatus:
    """How late each job is, what its last run did, when it is tried next."""
    return TickStatus(items=await runs.statuses(session, runner))


@router.get(
    "/{job}",
    name="tick:history",
    summary="See what a job did",
    responses={404: {"description": "There is no such job."}},
)
async def history(
    runner: RunnerDep,
    session: SessionDep,
    job: str,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    before: AwareDatetime | None = None,
    dead: bool = False,
) -> TickHistory:
    """The job's runs; those due `before` a time; the `dead` alone, which were given up."""
    if job not in runner.jobs:
        raise NotFound
    # One more than requested tells whether there are more.
    found = await runs.history(session, job, limit=limit + 1, before=before, dead=dead)
    more = len(found) > limit
    items = found[:limit]
    return TickHistory(items=items, next=items[-1].scheduled_at if more else None)
