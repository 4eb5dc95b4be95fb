"""`POST /tick`: the trigger of an external scheduler."""

from datetime import datetime
from typing import Any, Literal

from aiolimiter import AsyncLimiter
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from app import limits
from app.errors import TickBadTime, TickRunning, TickTooOften
from app.http.answers import NO_TOKEN_SET, RETRY_AFTER, WRONG_TOKEN, refusal
from app.http.bearer import INTERNAL_REQUEST
from app.tick.claim import Outcome
from app.tick.dependencies import RunnerDep

router = APIRouter(tags=["tick"])

RETRY_SECONDS = 5
# Calls to one process. A scheduler makes one a period; a stolen token must not load the database.
PER_MINUTE = 120


class TickRequest(BaseModel):
    """The occurrence that `scheduled_at` falls into (ISO 8601 with an offset); by default, now.

    An unknown field is refused: a misspelt one would run every job.
    """

    model_config = ConfigDict(extra="forbid")

    scheduled_at: str | None = None
    job: str | None = None


class JobReport(BaseModel):
    """The outcome of a job. `replayed`: it was done before; this is the stored result."""

    job: str
    occurrence: datetime
    status: Literal["done", "replayed", "superseded", "running", "failed"]
    result: dict[str, Any] | None
    error: str | None


class TickReport(BaseModel):
    jobs: list[JobReport]


@router.post(
    "/tick",
    name="tick:tick",
    summary="Run the jobs that are due",
    responses={
        200: {
            "headers": {
                "Idempotent-Replayed": {
                    "description": "`true` if all of it was done before.",
                    "schema": {"type": "string"},
                }
            }
        },
        400: refusal(
            "TickError",
            "A bad time, or a job that does not exist.",
            ["TICK_BAD_TIME", "TICK_UNKNOWN_JOB"],
        ),
        401: WRONG_TOKEN,
        404: NO_TOKEN_SET,
        409: refusal(
            "TickRunningError", "All of it is running elsewhere.", ["TICK_RUNNING"], RETRY_AFTER
        ),
        429: refusal("TickTooOftenError", "Too often.", ["TICK_TOO_OFTEN"], RETRY_AFTER),
        500: {"model": TickReport, "description": "A job failed: send the same again."},
    },
)
async def tick(
    request: Request, runner: RunnerDep, response: Response, body: TickRequest | None = None
) -> TickReport:
    """Run the jobs that are due. A call that is repeated runs no occurrence twice."""
    body = body or TickRequest()
    limit: AsyncLimiter = request.state.tick_limit
    if not limit.has_capacity():
        raise TickTooOften(RETRY_SECONDS)
    await limit.acquire()
    trigger = "schedule" if INTERNAL_REQUEST in request.scope else "http"
    outcomes = await runner.tick(trigger, _parse(body.scheduled_at), body.job)
    statuses = {outcome.status for outcome in outcomes}
    if statuses == {"running"}:
        raise TickRunning(RETRY_SECONDS)
    if statuses == {"replayed"}:
        response.headers["Idempotent-Replayed"] = "true"
    if "failed" in statuses:
        response.status_code = 500
    return TickReport(jobs=[_report(outcome) for outcome in outcomes])


def _parse(text: str | None) -> datetime | None:
    """Return the time in `text`, or None for none. Raises TickBadTime."""
    if text is None:
        return None
    if not limits.TIME.holds(text):
        raise TickBadTime
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise TickBadTime from None


def _report(outcome: Outcome) -> JobReport:
    return JobReport(**vars(outcome))
