"""The table of the outbox."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app import clock
from app.database.base import Base
from app.database.types import utcnow
from app.ids import new_id


class MailMessage(Base):
    """A message to send: the name of the letter and the address, never its text or a token.

    The text is composed at delivery. A delivery first moves `due_at` ahead, as a lease; `attempts`
    tells two deliveries apart.
    """

    __tablename__ = "mail_message"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'sent', 'dropped', 'dead')", name="state_known"),
        Index(None, "state", "due_at"),
        Base.__table_args__,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    letter: Mapped[str] = mapped_column(String(32))
    address: Mapped[str] = mapped_column(String(320), index=True)
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    due_at: Mapped[datetime] = mapped_column(default=utcnow())
    finished_at: Mapped[datetime | None] = mapped_column(index=True)
    error: Mapped[str | None] = mapped_column(Text)
