"""Every feature's tables in one metadata."""

from app.database import Base
from app.mail.tables import MailMessage
from app.sessions.tables import UserSession
from app.tick.tables import TickCounter, TickJob, TickRun
from app.users.tables import User

metadata = Base.metadata

__all__ = [
    "MailMessage",
    "TickCounter",
    "TickJob",
    "TickRun",
    "User",
    "UserSession",
    "metadata",
]
