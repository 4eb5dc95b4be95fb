"""The table of events."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app import clock, limits
from app.database.base import Base
from app.database.types import key_type
from app.ids import new_id


class AuditEvent(Base):
    """An event: what was done, by whom, to which account.

    Accounts and sessions are named by id, without a foreign key: the event outlives them. It holds
    no address of a mailbox and no token.
    """

    __tablename__ = "audit_event"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(default=clock.now, index=True)
    action: Mapped[str] = mapped_column(key_type(64))
    actor_id: Mapped[UUID | None]
    subject_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    ip: Mapped[str | None] = mapped_column(String(limits.IP.characters))
    user_agent: Mapped[str | None] = mapped_column(String(limits.USER_AGENT.characters))
