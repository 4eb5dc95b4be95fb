"""The health probes."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.schema import revisions
from app.tick import runs
from app.tick.dependencies import RunnerDep

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    """`ok`, or the reason and its remedy."""

    status: Literal["ok", "unavailable"] = "ok"
    reason: str | None = None


class Readiness(Health):
    """`warnings`: problems that need an operator, although requests can be served."""

    warnings: list[str] = []


@router.get("/live", name="health:live", summary="Liveness probe")
async def live() -> Health:
    """Always 200: restart a process that does not answer."""
    return Health()


@router.get(
    "/ready",
    name="health:ready",
    summary="Readiness probe",
    responses={503: {"model": Readiness}},
)
async def ready(runner: RunnerDep, response: Response) -> Readiness:
    """Return 200 if the database answers at a revision that this release runs on, else 503."""
    reason = await revisions.find_problem(runner.resources.database)
    if reason is None:
        return Readiness(warnings=await runs.late(runner))
    response.status_code = 503
    return Readiness(status="unavailable", reason=reason)
