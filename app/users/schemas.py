"""The account as clients send and receive it.

A new column of the account is shown, taken at registration, or changed by being listed in
UserRead, UserRegister or UserUpdateMe; nothing else lists columns (docs/fields.md).
"""

from typing import Any
from uuid import UUID

from fastapi_users.schemas import (
    BaseUser,
    BaseUserCreate,
    BaseUserUpdate,
    CreateUpdateDictModel,
)
from pydantic import BaseModel, ValidationInfo, field_validator

from app.users.emails import Email
from app.users.tables import User


class UserRead(BaseUser[UUID]):
    """An account as clients receive it."""

    # Validated when it was stored.
    email: str


class UserRegister(CreateUpdateDictModel):
    """A new account, as its owner sends it. Flags are ignored, as any unknown field."""

    email: Email
    password: str

    def values(self, *, safe: bool) -> dict[str, Any]:
        """Return the values of the account's columns; without the flags if `safe`."""
        sent = _sent(self, safe=safe)
        del sent["password"]
        return sent


class UserCreate(UserRegister, BaseUserCreate):
    """A new account with its flags, as the operator makes it."""


class UserUpdateMe(CreateUpdateDictModel):
    """The changes to an account by its owner: no flags, which are ignored as any unknown field.

    A field that is not sent keeps its value; null clears it.
    """

    password: str | None = None
    email: Email | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: Any, info: ValidationInfo) -> Any:
        column = User.__table__.columns.get(info.field_name or "")
        if value is None and column is not None and not column.nullable:
            raise ValueError(
                "null is not a value for this field: leave it out to keep the present one"
            )
        return value

    def changes(self, *, safe: bool) -> dict[str, Any]:
        """Return the fields that were sent; without the flags if `safe`.

        A null password is taken for none.
        """
        sent = _sent(self, safe=safe)
        if sent.get("password", "") is None:
            del sent["password"]
        return sent


class UserUpdate(UserUpdateMe, BaseUserUpdate):
    """The changes to an account by a superuser, flags among them."""


def _sent(model: CreateUpdateDictModel, *, safe: bool) -> dict[str, Any]:
    """Return the fields that the client sent; fastapi-users knows which are flags."""
    sent: dict[str, Any] = (
        model.create_update_dict() if safe else model.create_update_dict_superuser()
    )
    return sent


class UserPage(BaseModel):
    """Accounts in the order of their addresses; `next` is the cursor of the next page, or null."""

    items: list[UserRead]
    next: str | None
