"""`GET /admin/ticks`: the status and history of the jobs, for superusers."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel

from app.errors import NotFound
from app.http.answers import not_found
from app.http.dependencies import SessionDep
from app.tick import runs
from app.tick.dependencies import RunnerDep
from app.tick.runs import JobStatus, Run

router = APIRouter(prefix="/admin/ticks", tags=["tick"])


class TickStatus(BaseModel):
    items: list[JobStatus]


class TickHistory(BaseModel):
    """The newest first. Pass `next` as `before` for the next page; null at the end."""

    items: list[Run]
    next: datetime | None


@router.get("", name="tick:status", summary="Show the status of the jobs")
async def list_jobs(runner: RunnerDep, session: SessionDep) -> TickStatus:
    """The lag, the last run and the next run of each job."""
    return TickStatus(items=await runs.statuses(session, runner))


@router.get(
    "/{job}",
    name="tick:history",
    summary="List the runs of a job",
    responses={404: not_found("There is no such job.")},
)
async def list_job_runs(
    runner: RunnerDep,
    session: SessionDep,
    job: str,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    before: AwareDatetime | None = None,
    dead: bool = False,
) -> TickHistory:
    """The runs of a job; those due `before` a time; only the `dead` ones, which were given up."""
    if job not in runner.jobs:
        raise NotFound
    # One more row than requested shows whether there is a next page.
    found = await runs.history(session, job, limit=limit + 1, before=before, dead=dead)
    more = len(found) > limit
    items = found[:limit]
    return TickHistory(items=items, next=items[-1].scheduled_at if more else None)
