"""Is this process alive, and can it serve?"""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app import schema
from app.tick import runs
from app.tick.runner import Runner

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    """`ok`, or what is wrong and what mends it."""

    status: Literal["ok", "unavailable"] = "ok"
    reason: str | None = None


class Readiness(Health):
    """`warnings`: what somebody should look at, though requests can be served."""

    warnings: list[str] = []


@router.get("/live", name="health:live", summary="Is the process alive?")
async def live() -> Health:
    """The process runs. Restart it when this does not answer."""
    return Health()


@router.get(
    "/ready",
    name="health:ready",
    summary="Can it serve?",
    responses={503: {"model": Readiness}},
)
async def ready(request: Request, response: Response) -> Readiness:
    """The database answers and its schema is the one this code needs. Else no traffic, please."""
    runner: Runner = request.state.runner
    reason = await schema.fault(runner.services.database)
    if reason is None:
        return Readiness(warnings=await runs.late(runner))
    response.status_code = 503
    return Readiness(status="unavailable", reason=reason)
