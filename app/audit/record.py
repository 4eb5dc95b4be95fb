"""Events are written in the transaction of the act, and logged."""

from datetime import timedelta
from typing import Literal
from uuid import UUID

import structlog
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actor import Actor
from app.audit.tables import AuditEvent
from app.database.statements import database_now

log = structlog.get_logger()

Action = Literal["session.refresh_token_reused"]


def record(
    session: AsyncSession,
    action: Action,
    actor: Actor,
    *,
    subject_id: UUID,
    session_id: UUID | None = None,
) -> None:
    """Write an event: `actor` did `action` to the account `subject_id`, with that session."""
    event = AuditEvent(
        action=action,
        actor_id=actor.user_id,
        subject_id=subject_id,
        session_id=session_id,
        ip=actor.ip,
        user_agent=actor.user_agent,
    )
    session.add(event)
    log.warning(action, subject_id=str(subject_id), session_id=str(session_id), ip=actor.ip)


async def purge(session: AsyncSession, limit: int, *, days: int) -> int:
    """Delete up to `limit` events that are older than `days`. Returns how many were deleted."""
    now = await database_now(session)
    old = select(AuditEvent.id).where(AuditEvent.at < now - timedelta(days=days)).limit(limit)
    ids = list(await session.scalars(old))
    await session.execute(delete(AuditEvent).where(AuditEvent.id.in_(ids)))
    return len(ids)
