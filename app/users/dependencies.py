"""The manager of accounts for a request."""

from typing import Annotated

from fastapi import Depends

from app.http.dependencies import ActorDep, ResourcesDep, SessionDep
from app.users.manager import UserManager


async def get_user_manager(
    resources: ResourcesDep, session: SessionDep, actor: ActorDep
) -> UserManager:
    """Return the manager of accounts, within the request's transaction and for its actor."""
    return UserManager(resources, session, actor)


UserManagerDep = Annotated[UserManager, Depends(get_user_manager)]
