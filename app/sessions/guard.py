"""What stands before a route: nobody gets past without a login that stands."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from fastapi.security.base import SecurityBase
from fastapi.security.utils import get_authorization_scheme_param
from fastapi_users.authentication import Authenticator
from sqlalchemy import bindparam, select

from app import clock
from app.errors import Forbidden, Unauthorized
from app.services import Services
from app.sessions.logins import AUDIENCE
from app.sessions.tables import UserSession
from app.users.principal import Principal
from app.users.tables import AnyUser, User

_STANDING = (
    select(User.id, User.email, User.is_active, User.is_superuser, User.is_verified)
    .join(UserSession)
    .where(UserSession.id == bindparam("login_id"), UserSession.expires_at > bindparam("now"))
)


async def find_principal(services: Services, token: str) -> Principal | None:
    """Return whose login `token` is, if it still stands; the database is asked each time."""
    claims = services.signer.read(AUDIENCE, token)
    if claims is None:
        return None
    login_id = UUID(claims["jti"])
    rows = await services.database.read(_STANDING, login_id=login_id, now=clock.now())
    return Principal(login_id, *rows[0]) if rows else None


class Guard(SecurityBase):
    """A dependency that gives the Principal of a request, by its bearer token (RFC 6750, 2.1).

    `verified` lets in only those with a proven address, `superuser` only superusers. Raises
    Unauthorized for whoever has no login, or a deactivated account, and Forbidden for the others.
    """

    model = OAuth2PasswordBearer("auth/jwt/login").model
    scheme_name = "OAuth2PasswordBearer"

    def __init__(self, *, verified: bool = False, superuser: bool = False) -> None:
        self.verified = verified
        self.superuser = superuser

    async def __call__(self, request: Request) -> Principal:
        scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
        if scheme.lower() != "bearer":
            raise Unauthorized
        principal = await find_principal(request.state.services, token)
        if principal is None or not principal.is_active:
            raise Unauthorized
        if self.verified and not principal.is_verified:
            raise Forbidden
        if self.superuser and not principal.is_superuser:
            raise Forbidden
        request.state.principal = principal
        return principal


class Guards(Authenticator[AnyUser, UUID]):
    """Gives fastapi-users' routers a Guard where they ask for their own; `active` always holds."""

    def current_user(
        self, *_: Any, verified: bool = False, superuser: bool = False, **__: Any
    ) -> Guard:
        return Guard(verified=verified, superuser=superuser)

    def current_user_token(self, *_: Any, verified: bool = False, **__: Any) -> Any:
        guard = Guard(verified=verified)

        async def with_token(
            principal: Annotated[Principal, Depends(guard)],
        ) -> tuple[Principal, str]:
            return principal, ""  # the login ends by its id

        return with_token
