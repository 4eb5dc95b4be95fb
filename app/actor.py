"""The actor: on whose behalf a change is made."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """Causes a change: a user through a session, an anonymous client, or the operator.

    Managers and stores get an actor, never a request. `user_id` and `session_id` are set for
    `user` alone; `ip` and `user_agent` for requests, as the client or a trusted proxy sent them.
    """

    kind: Literal["user", "anonymous", "operator"]
    user_id: UUID | None = None
    session_id: UUID | None = None
    ip: str | None = None
    user_agent: str | None = None


OPERATOR = Actor("operator")
"""The `keystead` command, which needs no account."""
