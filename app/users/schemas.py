"""What clients send and get."""

from typing import Any
from uuid import UUID

from fastapi_users.schemas import BaseUser, BaseUserCreate, BaseUserUpdate
from pydantic import BaseModel, field_validator

from app.users.emails import Email


class UserRead(BaseUser[UUID]):
    """An account as clients see it."""

    # What is stored was checked when it came in.
    email: str


class UserCreate(BaseUserCreate):
    """A new account. The flags are ignored when people register themselves."""

    email: Email

    def values(self, *, safe: bool) -> dict[str, Any]:
        """Return all but the password; if `safe`, without the flags."""
        fields = {"email"} if safe else {"email", "is_active", "is_superuser", "is_verified"}
        return self.model_dump(exclude_unset=True, include=fields)


class UserUpdate(BaseUserUpdate):
    """What is to change; a field that is not sent stays."""

    email: Email | None = None

    @field_validator("email", "is_active", "is_superuser", "is_verified", mode="before")
    @classmethod
    def _not_null(cls, value: Any) -> Any:
        if value is None:
            raise ValueError(
                "null is not a value for this field: leave it out to keep what is there"
            )
        return value

    def changes(self, *, safe: bool) -> dict[str, Any]:
        """Return what was sent; if `safe`, without the flags. A null password means no change."""
        flags = {"is_active", "is_superuser", "is_verified"} if safe else set()
        sent = self.model_dump(exclude_unset=True, exclude=flags)
        return {name: value for name, value in sent.items() if value is not None}


class UserPage(BaseModel):
    """Accounts in the order of their addresses, and the cursor of the next page if there is one."""

    items: list[UserRead]
    next: str | None
