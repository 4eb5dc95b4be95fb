"""The list of accounts, for superusers."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError

from app.database import SessionDep
from app.users.schemas import UserPage, UserRead
from app.users.store import UserStore

router = APIRouter(prefix="/users", tags=["users"])

Text = Query(max_length=500, pattern=r"^[^\x00]*$")


@router.get("", name="users:list", summary="List accounts")
async def list_users(
    session: SessionDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, Text] = None,
    q: Annotated[str, Text] = "",
) -> UserPage:
    """Accounts in the order of their addresses; `q` keeps those that begin with it.

    Pass `next` as `after` to get the next page.
    """
    try:
        users, cursor = await UserStore(session).page(limit, after, q)
    except ValueError as error:
        problem = {"type": "value_error", "loc": ("query", "after"), "msg": str(error)}
        raise RequestValidationError([{**problem, "input": after}]) from None
    return UserPage(items=[UserRead.model_validate(user) for user in users], next=cursor)
