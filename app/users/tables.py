"""The table of accounts."""

from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from fastapi_users.exceptions import UserAlreadyExists
from sqlalchemy import CheckConstraint, String, false, true
from sqlalchemy.orm import Mapped, mapped_column, validates

from app import clock, limits
from app.database.base import Base
from app.database.types import key_type
from app.ids import new_id
from app.users.emails import email_key


class User(Base):
    """A person's account. `email_key` follows `email`, and no two accounts share it."""

    __tablename__ = "user_account"
    __table_args__ = (
        CheckConstraint("email_key <> ''", name="email_key_not_empty"),
        # On the other databases than PostgreSQL a boolean column takes any number.
        CheckConstraint(
            "is_active IN (0, 1) AND is_superuser IN (0, 1) AND is_verified IN (0, 1)",
            name="flags_are_flags",
        ).ddl_if(callable_=lambda *_, dialect, **__: dialect.name != "postgresql"),
        Base.__table_args__,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(String(limits.EMAIL.characters))
    email_key: Mapped[str] = mapped_column(key_type(limits.EMAIL.characters), unique=True)
    hashed_password: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    # Indexed, because the check for the last superuser locks them all.
    is_superuser: Mapped[bool] = mapped_column(default=False, server_default=false(), index=True)
    is_verified: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    @validates("email")
    def _set_email_key(self, _: str, email: str) -> str:
        self.email_key = email_key(email)
        return email


CONSTRAINT_ERRORS = {"uq_user_account_email_key": UserAlreadyExists}
"""The errors for violated constraints, by their names; any other violation is a bug."""

# For fastapi-users' generics: to mypy, Mapped columns do not fit its UserProtocol.
AnyUser: TypeAlias = Any
