"""The table of accounts."""

from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import CheckConstraint, String, false, true
from sqlalchemy.orm import Mapped, mapped_column

from app import clock
from app.database import Base, key_type
from app.ids import new_id
from app.users.emails import MAX_LENGTH


class User(Base):
    """A person's account. Constraint: one account for each `email_key`."""

    __tablename__ = "user_account"
    __table_args__ = (
        CheckConstraint("email_key <> ''", name="email_key_not_empty"),
        # PostgreSQL's booleans are nothing else; to the others a flag is a number.
        CheckConstraint(
            "is_active IN (0, 1) AND is_superuser IN (0, 1) AND is_verified IN (0, 1)",
            name="flags_are_flags",
        ).ddl_if(callable_=lambda *_, dialect, **__: dialect.name != "postgresql"),
        Base.__table_args__,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(String(MAX_LENGTH))
    email_key: Mapped[str] = mapped_column(key_type(MAX_LENGTH), unique=True)
    hashed_password: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    # Indexed, because the guard of the last superuser locks them all.
    is_superuser: Mapped[bool] = mapped_column(default=False, server_default=false(), index=True)
    is_verified: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


# For fastapi-users' generics: mypy does not see that Mapped columns fit its UserProtocol.
AnyUser: TypeAlias = Any
