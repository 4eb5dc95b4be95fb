"""What a route can ask for: the process's resources, its transaction, its actor."""

from collections.abc import AsyncIterator
from typing import Annotated, NamedTuple

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.actor import Actor
from app.resources import Resources


async def get_resources(request: Request) -> Resources:
    """Return the resources of this process."""
    resources: Resources = request.state.resources
    return resources


ResourcesDep = Annotated[Resources, Depends(get_resources)]


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Give the request's one transaction, committed before the answer is sent."""
    async with request.state.resources.database.transaction() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]


class Client(NamedTuple):
    """The client of a request; see Actor."""

    ip: str | None
    user_agent: str | None


def client_of(request: Request) -> Client:
    """Return the address that the request came from, and its User-Agent."""
    ip = request.client.host if request.client is not None else None
    return Client(ip, request.headers.get("User-Agent"))


async def get_actor(request: Request) -> Actor:
    """Return the actor that the route's guard authenticated; without a guard, an anonymous one."""
    actor: Actor | None = getattr(request.state, "actor", None)
    return actor or Actor("anonymous", None, None, *client_of(request))


ActorDep = Annotated[Actor, Depends(get_actor)]
