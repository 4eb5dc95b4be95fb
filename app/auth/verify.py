"""`/auth/request-verify-token` and `/auth/verify`: verify an e-mail address."""

from fastapi import APIRouter

from app.auth.bodies import EmailBody, TextBody
from app.mail.dependencies import OutboxDep
from app.users import refusals
from app.users.dependencies import UserManagerDep
from app.users.emails import same_spelling
from app.users.letters import VERIFY
from app.users.schemas import UserRead
from app.users.tables import User

router = APIRouter(tags=["auth"])


@router.post(
    "/request-verify-token",
    status_code=202,
    name="verify:request-token",
    summary="Request a mail to verify an address",
)
async def request_verify_token(email: EmailBody, outbox: OutboxDep) -> None:
    """Send a link that verifies the address, if it is an active account's and not verified."""
    outbox.enqueue(VERIFY, same_spelling(email))


@router.post(
    "/verify",
    response_model=UserRead,
    name="verify:verify",
    summary="Verify an address",
    responses={400: refusals.answer("VerifyError", refusals.VERIFY)},
)
async def verify(token: TextBody, manager: UserManagerDep) -> User:
    """Verify an address with the token from a mail."""
    with refusals.bad_request(refusals.VERIFY):
        return await manager.verify(token)
