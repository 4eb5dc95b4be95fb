"""Is this process alive, and can it serve?"""

from typing import Literal

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from app import schema
from app.database import Database

router = APIRouter(prefix="/health", tags=["health"])
log = structlog.get_logger()


class Health(BaseModel):
    """`ok`, or what is wrong and what mends it."""

    status: Literal["ok", "unavailable"] = "ok"
    reason: str | None = None


@router.get("/live", name="health:live", summary="Is the process alive?")
async def live() -> Health:
    """The process runs. Restart it when this does not answer."""
    return Health()


@router.get(
    "/ready",
    name="health:ready",
    summary="Can it serve?",
    responses={503: {"model": Health}},
)
async def ready(request: Request, response: Response) -> Health:
    """The database answers and its schema is the one this code needs. Else no traffic, please."""
    reason = await fault(request.state.services.database)
    if reason is None:
        return Health()
    response.status_code = 503
    return Health(status="unavailable", reason=reason)


async def fault(database: Database) -> str | None:
    """Return why no request can be served now, and the mend; None if all is well."""
    try:
        async with database.transaction() as session:
            revisions = await schema.revisions(session)
    except (SQLAlchemyError, OSError) as error:
        log.error("database unavailable", error=str(error))
        return "the database does not answer: is KEYSTEAD_DATABASE_URL right, and is it running?"
    return None if revisions.usable else revisions.mend
