"""Routes for people without a login: proof of an address, a forgotten password.

fastapi-users' own tell known addresses from unknown ones by the time they take.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Body, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse
from fastapi_users.exceptions import (
    InvalidPasswordException,
    InvalidResetPasswordToken,
    InvalidVerifyToken,
    UserAlreadyVerified,
)
from fastapi_users.openapi import OpenAPIResponseType
from fastapi_users.router.common import ErrorCode, ErrorModel

from app.database import SessionDep
from app.mail.outbox import Outbox
from app.services import ServicesDep
from app.users.emails import Email
from app.users.letters import RESET, VERIFY
from app.users.manager import UserManager
from app.users.schemas import UserRead
from app.users.tables import User

EmailBody = Annotated[Email, Body(embed=True)]
TextBody = Annotated[str, Body(embed=True)]


async def get_outbox(services: ServicesDep, session: SessionDep) -> Outbox:
    """Give a request the outbox of its transaction."""
    return Outbox(session, services.mail_waiting)


OutboxDep = Annotated[Outbox, Depends(get_outbox)]


def auth_router(get_user_manager: Callable[..., Awaitable[UserManager]]) -> APIRouter:
    """Return the routes; `get_user_manager` is the dependency that gives their manager."""
    router = APIRouter()
    manager_dependency = Depends(get_user_manager)
    refused: OpenAPIResponseType = {400: {"model": ErrorModel}}

    @router.post("/registration", include_in_schema=False)
    async def registration(request: Request) -> RedirectResponse:
        """The name that the route had in the original notes."""
        return RedirectResponse(request.url_for("register:register").path, 308)

    @router.post(
        "/forgot-password",
        status_code=202,
        name="reset:forgot_password",
        summary="Ask for a new password",
    )
    async def forgot_password(email: EmailBody, outbox: OutboxDep) -> None:
        """Send a link to choose a new password, if an active account has this address.

        Only the wish is written down here. Whether there is such an account is found out when the
        mail is delivered, so the answer and its time are the same for every address.
        """
        outbox.put(RESET, email)

    @router.post(
        "/reset-password",
        name="reset:reset_password",
        summary="Choose a new password",
        responses=refused,
    )
    async def reset_password(
        token: TextBody, password: TextBody, manager: UserManager = manager_dependency
    ) -> None:
        """Choose a new password with a token from a mail. Ends all logins of the account."""
        try:
            await manager.reset_password(token, password)
        except InvalidResetPasswordToken:
            raise HTTPException(400, ErrorCode.RESET_PASSWORD_BAD_TOKEN) from None
        except InvalidPasswordException as error:
            code = ErrorCode.RESET_PASSWORD_INVALID_PASSWORD
            raise HTTPException(400, {"code": code, "reason": error.reason}) from None

    @router.post(
        "/request-verify-token",
        status_code=202,
        name="verify:request-token",
        summary="Ask to prove an address",
    )
    async def request_verify_token(email: EmailBody, outbox: OutboxDep) -> None:
        """Send a link that proves this address, if an active account still owes that proof."""
        outbox.put(VERIFY, email)

    @router.post(
        "/verify",
        response_model=UserRead,
        name="verify:verify",
        summary="Prove an address",
        responses=refused,
    )
    async def verify(token: TextBody, manager: UserManager = manager_dependency) -> User:
        """Prove an address with a token from a mail."""
        try:
            return await manager.verify(token)
        except InvalidVerifyToken:
            raise HTTPException(400, ErrorCode.VERIFY_USER_BAD_TOKEN) from None
        except UserAlreadyVerified:
            raise HTTPException(400, ErrorCode.VERIFY_USER_ALREADY_VERIFIED) from None

    return router
