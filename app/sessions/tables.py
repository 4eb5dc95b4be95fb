"""The table of sessions."""

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app import clock, limits
from app.database.base import Base
from app.ids import new_id

Transport: TypeAlias = Literal["bearer", "cookie"]


class UserSession(Base):
    """A session: its tokens are valid while the row exists and `expires_at` is in the future."""

    __tablename__ = "user_session"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("user_account.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    transport: Mapped[str] = mapped_column(String(16), default="bearer", server_default="bearer")
    # The counter of the refresh token that is valid.
    refresh_counter: Mapped[int] = mapped_column(default=0, server_default="0")
    refreshed_at: Mapped[datetime | None]
    # At most five minutes old. Sessions of releases before 0009 have none.
    last_seen_at: Mapped[datetime | None] = mapped_column(default=clock.now)
    # Of the log-in or the last refresh.
    ip: Mapped[str | None] = mapped_column(String(limits.IP.characters))
    user_agent: Mapped[str | None] = mapped_column(String(limits.USER_AGENT.characters))
