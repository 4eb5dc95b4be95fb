"""Dependencies that authenticate a request and authorise it by the account's flags.

The first credential reader that finds a token decides; the token names a session, and one joined
select returns that session's account.
"""

from collections.abc import Callable, Sequence

from fastapi import Request
from fastapi.security import OAuth2PasswordBearer
from fastapi.security.base import SecurityBase
from sqlalchemy import bindparam, select

from app import clock
from app.auth.csrf import require_own_page
from app.auth.last_seen import SEEN, Sighting
from app.auth.principal import Principal, columns
from app.auth.transports import READERS, CredentialReader
from app.errors import Forbidden, Unauthorized
from app.resources import Resources
from app.sessions.store import COOKIE, is_due
from app.sessions.tables import UserSession
from app.users.tables import User

_ACTIVE_SESSION = (
    select(*columns())
    .join(UserSession, UserSession.user_id == User.id)
    .where(UserSession.id == bindparam("session_id"), UserSession.expires_at > bindparam("now"))
)


async def load_principal(
    resources: Resources, reader: CredentialReader, token: str
) -> Principal | None:
    """Return the account and session that `token` names, or None if it is invalid or has ended.

    Queries the database on every call, so that a revoked session is refused at once.
    """
    session_id = reader.verify(resources, token)
    if session_id is None:
        return None
    rows = await resources.database.read(_ACTIVE_SESSION, session_id=session_id, now=clock.now())
    return Principal.of_row(session_id, rows[0]) if rows else None


def method_of(request: Request) -> str:
    """Return the method of a request."""
    return request.method


class Guard(SecurityBase):
    """Require an authenticated, active account; optionally a verified address or a superuser.

    Returns the Principal. Raises Unauthorized without a valid session or for an inactive account,
    CSRFFailed for a cookie that another site's page sends along, Forbidden if a flag is missing.
    Sets `request.state.authenticated`, the ids that the request's actor is built from.
    """

    model = OAuth2PasswordBearer("auth/jwt/login").model
    scheme_name = "OAuth2PasswordBearer"

    def __init__(
        self,
        readers: Sequence[CredentialReader] = READERS,
        *,
        verified: bool = False,
        superuser: bool = False,
        method: Callable[[Request], str] = method_of,
    ) -> None:
        """`method`: returns the one that the request is for."""
        self._readers = readers
        self._verified = verified
        self._superuser = superuser
        self._method = method

    async def __call__(self, request: Request) -> Principal:
        resources: Resources = request.state.resources
        reader, token = self._read(request, resources)
        if reader.is_ambient:
            require_own_page(request, resources.settings, self._method(request))
        principal = await load_principal(resources, reader, token)
        if principal is None or not principal.user.is_active:
            raise Unauthorized(_problem(resources, reader, token))
        if self._verified and not principal.user.is_verified:
            raise Forbidden
        if self._superuser and not principal.user.is_superuser:
            raise Forbidden
        request.state.authenticated = (principal.user.id, principal.session_id)
        if is_due(resources.settings, principal.last_seen_at):
            cookie = resources.signer.verify(COOKIE, token) if reader.is_ambient else None
            setattr(request.state, SEEN, Sighting(principal.session_id, cookie))
        return principal

    def _read(self, request: Request, resources: Resources) -> tuple[CredentialReader, str]:
        """Return the first reader that finds a token, and the token. Raises Unauthorized."""
        for reader in self._readers:
            token = reader.read(request, resources)
            if token is not None:
                return reader, token
        raise Unauthorized


def _problem(resources: Resources, reader: CredentialReader, token: str) -> str:
    """Return why a token is refused, for the developer of its client."""
    expired = reader.expired_at(resources, token)
    if expired is None:
        return "The token is invalid, or its session has ended"
    return f"The token expired at {expired:%Y-%m-%dT%H:%M:%SZ}"
