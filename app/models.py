"""The tables of every feature, in one metadata."""

from app.audit.tables import AuditEvent
from app.database.base import Base
from app.mail.tables import MailMessage
from app.sessions.tables import UserSession
from app.tick.tables import TickCounter, TickJob, TickRun
from app.users.tables import User

metadata = Base.metadata

TABLES = frozenset(metadata.tables)
"""The names of the tables."""

__all__ = [
    "TABLES",
    "AuditEvent",
    "MailMessage",
    "TickCounter",
    "TickJob",
    "TickRun",
    "User",
    "UserSession",
    "metadata",
]
