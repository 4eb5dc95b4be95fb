"""`/users/me`: the account of the request's session."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from app.auth.guard import Guard
from app.auth.principal import Principal
from app.http.answers import UNAUTHORIZED
from app.http.openapi import operation_id
from app.users import refusals
from app.users.dependencies import UserManagerDep
from app.users.schemas import UserRead, UserUpdateMe
from app.users.tables import User


def me_router(guard: Guard) -> APIRouter:
    """Return the routes of `/users/me`, behind `guard`."""
    # Not included but registered on the app itself (app/routes.py), it takes no option from there.
    router = APIRouter(
        prefix="/users",
        tags=["users"],
        strict_content_type=False,
        generate_unique_id_function=operation_id,
    )
    authenticated = Depends(guard)

    @router.get(
        "/me",
        name="users:current_user",
        summary="Show the own account",
        response_model=UserRead,
        responses={401: UNAUTHORIZED},
    )
    async def get_me(principal: Annotated[Principal, authenticated]) -> Response:
        """The request that other services make to authenticate a user."""
        # Serialized here: FastAPI would validate the model once more, and dump it to a dict first.
        return Response(principal.user.model_dump_json(), media_type="application/json")

    @router.patch(
        "/me",
        name="users:patch_current_user",
        summary="Change the own account",
        response_model=UserRead,
        responses={
            400: refusals.answer("UpdateUserError", refusals.UPDATE),
            401: UNAUTHORIZED,
        },
    )
    async def update_me(
        principal: Annotated[Principal, authenticated], body: UserUpdateMe, manager: UserManagerDep
    ) -> User:
        """Change the own account. A new password ends all other sessions."""
        with refusals.bad_request(refusals.UPDATE):
            return await manager.update(body, principal.user, safe=True)

    return router
