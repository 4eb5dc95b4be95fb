"""How a request proves who it comes from: fastapi-users' transport and strategy over our logins."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Response
from fastapi.responses import JSONResponse
from fastapi_users import BaseUserManager
from fastapi_users.authentication import (
    AuthenticationBackend,
    BearerTransport,
    Strategy,
)
from fastapi_users.openapi import OpenAPIResponseType
from pydantic import BaseModel, Field

from app.database import SessionDep
from app.mail.outbox import Outbox
from app.services import Services, ServicesDep
from app.sessions.guard import Guards, find_principal
from app.sessions.logins import Logins
from app.users.manager import UserManager
from app.users.principal import Principal
from app.users.store import UserStore
from app.users.tables import AnyUser, User


class AccessToken(BaseModel):
    """What a login is answered with (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds until the token stops working by itself.")


async def get_logins(services: ServicesDep, session: SessionDep) -> Logins:
    """Give a request its logins: one object for its guard and for what it does."""
    return Logins(session, services.signer, services.settings.session_seconds)


LoginsDep = Annotated[Logins, Depends(get_logins)]


async def get_user_manager(
    services: ServicesDep, session: SessionDep, logins: LoginsDep
) -> UserManager:
    """Give a request the manager of accounts, within its transaction."""
    outbox = Outbox(session, services.mail_waiting)
    return UserManager(services, UserStore(session), logins, outbox)


ManagerDep = Annotated[UserManager, Depends(get_user_manager)]


class LoginStrategy(Strategy[AnyUser, UUID]):
    """A token is good while the login it names is."""

    def __init__(self, services: Services, logins: Logins) -> None:
        self.services = services
        self.logins = logins

    async def read_token(
        self, token: str | None, user_manager: BaseUserManager[AnyUser, UUID]
    ) -> Principal | None:
        return await find_principal(self.services, token) if token else None

    async def write_token(self, user: User) -> str:
        return await self.logins.open(user)

    async def destroy_token(self, token: str, user: Principal) -> None:
        await self.logins.end(user.login_id)


class Bearer(BearerTransport):
    """Documents the answer that LoginBackend gives."""

    @staticmethod
    def get_openapi_login_responses_success() -> OpenAPIResponseType:
        return {200: {"model": AccessToken}}


class LoginBackend(AuthenticationBackend[AnyUser, UUID]):
    """Tells clients how long their token works."""

    async def login(self, strategy: Strategy[AnyUser, UUID], user: User) -> Response:
        assert isinstance(strategy, LoginStrategy)
        token = await strategy.write_token(user)
        answer = AccessToken(access_token=token, expires_in=strategy.logins.lifetime)
        return JSONResponse(answer.model_dump())


async def get_strategy(services: ServicesDep, logins: LoginsDep) -> LoginStrategy:
    return LoginStrategy(services, logins)


backend = LoginBackend("jwt", Bearer("auth/jwt/login"), get_strategy)
guards = Guards([backend], get_user_manager)
