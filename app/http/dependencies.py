"""What a route can ask for: the process's resources, its transaction, its actor."""

from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app import limits
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


async def get_actor(request: Request) -> Actor:
    """Return the actor that the route's guard authenticated; without a guard, an anonymous one."""
    ip = _address(request.client.host) if request.client is not None else None
    user_agent = _readable(request.headers.get("User-Agent", ""))
    authenticated = getattr(request.state, "authenticated", None)
    if authenticated is None:
        return Actor("anonymous", ip=ip, user_agent=user_agent)
    user_id, session_id = authenticated
    return Actor("user", user_id, session_id, ip, user_agent)


def parse_id(text: str) -> UUID | None:
    """Return the id of a path, in any spelling of a UUID; None for another text."""
    try:
        return UUID(text) if limits.ID.holds(text) else None
    except ValueError:
        return None


def _address(text: str) -> str | None:
    """Return an IP address in its usual form, without a zone; None for another text."""
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def _readable(text: str) -> str | None:
    """Return the beginning of a header without control characters, or None if nothing is left."""
    start = text[: limits.USER_AGENT.characters]
    return "".join(filter(str.isprintable, start)) or None


ActorDep = Annotated[Actor, Depends(get_actor)]
