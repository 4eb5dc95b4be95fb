"""The health probes."""

import asyncio
from collections.abc import Collection
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from app.database.engine import Database
from app.schema import revisions
from app.tick import runs
from app.tick.runner import Runner

PROBE_SECONDS = 0.8
_NO_ANSWER = f"the database has not answered within {PROBE_SECONDS} seconds"

PATHS = ("/health/live", "/health/ready")

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    """`ok`, or the reason and its remedy."""

    status: Literal["ok", "unavailable"] = "ok"
    reason: str | None = None


class Readiness(Health):
    """`warnings`: problems that need an operator, although requests can be served."""

    warnings: list[str] = []


@router.get("/live", name="health:live", summary="Liveness probe")
async def get_liveness() -> Health:
    """Always 200: restart a process that does not answer."""
    return Health()


class ReadinessCheck:
    """Asks the database whether requests can be served, and answers within PROBE_SECONDS.

    `database`: one whose connection no request uses, since a busy process is not a broken one.
    `tables`: the names of the tables that requests need. Probes that come while one is asking share
    its answer.
    """

    def __init__(self, runner: Runner, database: Database, tables: Collection[str]) -> None:
        self._runner = runner
        self._tables = tables
        self._database = database
        self._asking: asyncio.Task[Readiness] | None = None

    async def ask(self) -> Readiness:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        # The question goes on: to cancel it could take as long, if the server is frozen.
        await asyncio.wait({self._asking}, timeout=PROBE_SECONDS)
        if not self._asking.done():
            return Readiness(status="unavailable", reason=_NO_ANSWER)
        return self._asking.result()

    async def _ask(self) -> Readiness:
        reason = await revisions.find_problem(self._database, self._tables)
        if reason is not None:
            return Readiness(status="unavailable", reason=reason)
        return Readiness(warnings=await runs.late(self._runner, self._database))


async def get_readiness_check(request: Request) -> ReadinessCheck:
    """Return the check of this process."""
    check: ReadinessCheck = request.state.readiness
    return check


@router.get(
    "/ready",
    name="health:ready",
    summary="Readiness probe",
    responses={503: {"model": Readiness}},
)
async def get_readiness(
    check: Annotated[ReadinessCheck, Depends(get_readiness_check)], response: Response
) -> Readiness:
    """Return 200 if the database answers at a revision that this release runs on, else 503.

    Within a second, also while all database connections are in use.
    """
    found = await check.ask()
    if found.status != "ok":
        response.status_code = 503
    return found
