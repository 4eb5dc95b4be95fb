"""The principal: the account and session that a request was authenticated with."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from sqlalchemy.orm import InstrumentedAttribute

from app.users.schemas import UserRead
from app.users.tables import User

_FIELDS = tuple(UserRead.model_fields)


def columns() -> list[InstrumentedAttribute[Any]]:
    """Return the columns that a principal is made from: those of UserRead's fields."""
    return [getattr(User, name) for name in _FIELDS]


@dataclass(frozen=True, slots=True)
class Principal:
    """An account as it was when the request arrived, and the session of its token."""

    session_id: UUID
    user: UserRead

    @classmethod
    def of_row(cls, session_id: UUID, row: Iterable[Any]) -> Self:
        """Return the principal for a row of `columns()`."""
        return cls(session_id, UserRead.model_validate(dict(zip(_FIELDS, row, strict=True))))
