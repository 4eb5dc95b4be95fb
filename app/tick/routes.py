"""`POST /tick`: lets something outside say that time has passed."""

import hmac
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_users.router.common import ErrorModel
from pydantic import BaseModel

from app.errors import BadTickTime, NotFound, TickRunning, Unauthorized
from app.services import ServicesDep
from app.tick.runner import Outcome, Runner

router = APIRouter(tags=["tick"])

RETRY_AFTER = 5


class TickRequest(BaseModel):
    """Which occurrence: the one that `scheduled_at` falls into (ISO 8601 with an offset)."""

    scheduled_at: str | None = None
    job: str | None = None


class JobReport(BaseModel):
    """What became of a job. `replayed`: it was done before, this is the stored result."""

    job: str
    occurrence: datetime
    status: Literal["done", "replayed", "superseded", "running", "failed"]
    result: dict[str, Any] | None
    error: str | None


class TickReport(BaseModel):
    jobs: list[JobReport]


async def scheduler(
    services: ServicesDep,
    credentials: Annotated[
        HTTPAuthorizationCredentials | None,
        Depends(HTTPBearer(scheme_name="TickToken", auto_error=False)),
    ],
) -> None:
    """Let nobody in but who knows a token; where none is set there is no such route."""
    tokens = services.settings.tick_token
    if not tokens:
        raise NotFound
    given = (credentials.credentials if credentials else "").encode()
    if not any(hmac.compare_digest(given, token.get_secret_value().encode()) for token in tokens):
        raise Unauthorized


@router.post(
    "/tick",
    name="tick:tick",
    summary="Say that time has passed",
    dependencies=[Depends(scheduler)],
    responses={
        400: {
            "model": ErrorModel,
            "description": "A bad time, or a job that does not exist.",
        },
        401: {"description": "Missing or wrong token."},
        404: {"description": "No token is configured."},
        409: {
            "model": ErrorModel,
            "description": "All of it is running elsewhere: Retry-After.",
        },
        500: {"model": TickReport, "description": "A job failed: send the same again."},
    },
)
async def tick(request: Request, response: Response, body: TickRequest | None = None) -> TickReport:
    """Run what is due. Sent again, for whatever reason, it happens once."""
    body = body or TickRequest()
    runner: Runner = request.state.runner
    outcomes = await runner.tick("http", _parse(body.scheduled_at), body.job)
    if outcomes and all(outcome.status == "running" for outcome in outcomes):
        raise TickRunning(RETRY_AFTER)
    if any(outcome.status == "failed" for outcome in outcomes):
        response.status_code = 500
    return TickReport(jobs=[_report(outcome) for outcome in outcomes])


def _parse(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text is not None else None
    except ValueError:
        raise BadTickTime from None


def _report(outcome: Outcome) -> JobReport:
    return JobReport(**vars(outcome))
