"""The sessions of a request's transaction."""

from typing import Annotated

from fastapi import Depends

from app.http.dependencies import ResourcesDep, SessionDep
from app.sessions.store import SessionStore


async def get_session_store(resources: ResourcesDep, session: SessionDep) -> SessionStore:
    """Return the sessions, within the request's transaction."""
    return SessionStore(session, resources)


SessionStoreDep = Annotated[SessionStore, Depends(get_session_store)]
