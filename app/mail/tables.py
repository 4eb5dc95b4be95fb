"""The outbox."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app import clock
from app.database.base import Base
from app.database.types import utcnow
from app.ids import new_id


class MailMessage(Base):
    """A message to be sent: which letter, to whoever has `address`.

    Its text is made when it is delivered, so no token rests here. `due_at` is when it may next be
    tried; whoever tries it moves `due_at` ahead first, and `attempts` tells two tries apart.
    """

    __tablename__ = "mail_message"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'sent', 'dropped', 'dead')", name="state_known"),
        Index(None, "state", "due_at"),
        Base.__table_args__,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    letter: Mapped[str] = mapped_column(String(32))
    address: Mapped[str] = mapped_column(String(320))
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    due_at: Mapped[datetime] = mapped_column(default=utcnow())
    finished_at: Mapped[datetime | None] = mapped_column(index=True)
    error: Mapped[str | None] = mapped_column(Text)
