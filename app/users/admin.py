"""`/users`: the accounts, for superusers."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.exceptions import RequestValidationError
from fastapi_users.exceptions import UserNotExists

from app import limits
from app.errors import NotFound
from app.http.answers import not_found, refusal
from app.http.dependencies import SessionDep, parse_id
from app.users import refusals
from app.users.database import UserDatabase
from app.users.dependencies import UserManagerDep
from app.users.schemas import UserPage, UserRead, UserUpdate
from app.users.tables import User

router = APIRouter(prefix="/users", tags=["users"])


def _text(longest: limits.Longest) -> Any:
    return Query(max_length=longest.characters, pattern=r"^[^\x00]*$")


_MISSING = not_found("The account does not exist.")
_LAST = refusal(
    "LastSuperuserError", "No account could manage the others any more.", ["LAST_SUPERUSER"]
)


@router.get("", name="users:list", summary="List accounts")
async def list_users(
    session: SessionDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, _text(limits.CURSOR)] = None,
    q: Annotated[str, _text(limits.SEARCH)] = "",
) -> UserPage:
    """Accounts in the order of their addresses; `q` keeps the addresses that start with it.

    Pass `next` as `after` for the next page.
    """
    try:
        users, cursor = await UserDatabase(session).page(limit, after, q)
    except ValueError as error:
        problem = {"type": "value_error", "loc": ("query", "after"), "msg": str(error)}
        raise RequestValidationError([{**problem, "input": after}]) from None
    return UserPage(items=[UserRead.model_validate(user) for user in users], next=cursor)


async def get_user_or_404(id: str, manager: UserManagerDep) -> User:
    """Return the account that the path names. Raises NotFound."""
    user_id = parse_id(id)
    if user_id is None:
        raise NotFound
    try:
        user: User = await manager.get(user_id)
    except UserNotExists:
        raise NotFound from None
    return user


UserDep = Annotated[User, Depends(get_user_or_404)]


@router.get(
    "/{id}",
    response_model=UserRead,
    name="users:user",
    summary="Show an account",
    responses={404: _MISSING},
)
async def get_user(user: UserDep) -> User:
    """The account with this id, in any spelling of a UUID."""
    return user


@router.patch(
    "/{id}",
    response_model=UserRead,
    name="users:patch_user",
    summary="Change an account",
    responses={
        400: refusals.answer("UpdateUserError", refusals.UPDATE),
        404: _MISSING,
        409: _LAST,
    },
)
async def update_user(user: UserDep, body: UserUpdate, manager: UserManagerDep) -> User:
    """Change an account. A new password, or deactivation, ends all of its sessions."""
    with refusals.bad_request(refusals.UPDATE):
        return await manager.update(body, user)


@router.delete(
    "/{id}",
    status_code=204,
    response_class=Response,
    name="users:delete_user",
    summary="Delete an account",
    responses={404: _MISSING, 409: _LAST},
)
async def delete_user(user: UserDep, manager: UserManagerDep) -> None:
    """Delete an account with its sessions."""
    await manager.delete(user)
