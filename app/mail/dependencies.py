"""The outbox of a request."""

from typing import Annotated

from fastapi import Depends

from app.http.dependencies import ResourcesDep, SessionDep
from app.mail.outbox import Outbox


async def get_outbox(resources: ResourcesDep, session: SessionDep) -> Outbox:
    """Return the outbox of the request's transaction."""
    return Outbox(session, resources.mail_waiting)


OutboxDep = Annotated[Outbox, Depends(get_outbox)]
