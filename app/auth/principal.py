"""The principal: the account and session that a request was authenticated with."""

from dataclasses import dataclass
from uuid import UUID

from app.users.schemas import UserRead
from app.users.tables import User

COLUMNS = [getattr(User, name) for name in UserRead.model_fields]
"""The columns that a principal is made of: the fields of UserRead."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An account as it was when the request arrived, and the session of its token."""

    session_id: UUID
    user: UserRead
