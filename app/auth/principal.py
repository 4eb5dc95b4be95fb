"""The principal: the account and session that a request was authenticated with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy.orm import InstrumentedAttribute

from app.sessions.tables import UserSession
from app.users.schemas import UserRead
from app.users.tables import User

_FIELDS = tuple(UserRead.model_fields)


def columns() -> list[InstrumentedAttribute[Any]]:
    """Return the columns that a principal is made from: those of UserRead's fields, and one."""
    return [*(getattr(User, name) for name in _FIELDS), UserSession.last_seen_at]


@dataclass(frozen=True, slots=True)
class Principal:
    """An account as it was when the request arrived, and the session of its token."""

    session_id: UUID
    user: UserRead
    last_seen_at: datetime | None
    """When the session was noted to be used (UTC)."""

    @classmethod
    def of_row(cls, session_id: UUID, row: Sequence[Any]) -> Self:
        """Return the principal for a row of `columns()`."""
        *values, last_seen_at = row
        user = UserRead.model_validate(dict(zip(_FIELDS, values, strict=True)))
        return cls(session_id, user, last_seen_at)
