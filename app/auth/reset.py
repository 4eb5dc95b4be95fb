"""`/auth/forgot-password` and `/auth/reset-password`: choose a new password by mail."""

from fastapi import APIRouter

from app.auth.bodies import EmailBody, TextBody
from app.mail.dependencies import OutboxDep
from app.users import refusals
from app.users.dependencies import UserManagerDep
from app.users.emails import same_spelling
from app.users.letters import RESET

router = APIRouter(tags=["auth"])


@router.post(
    "/forgot-password",
    status_code=202,
    name="reset:forgot_password",
    summary="Request a mail to choose a new password",
)
async def forgot_password(email: EmailBody, outbox: OutboxDep) -> None:
    """Send a link to choose a new password, if an active account has this address.

    The account is looked up when the mail is delivered, so that the answer and its time are the
    same for every address.
    """
    outbox.enqueue(RESET, same_spelling(email))


@router.post(
    "/reset-password",
    name="reset:reset_password",
    summary="Choose a new password",
    responses={400: refusals.answer("ResetPasswordError", refusals.RESET)},
)
async def reset_password(token: TextBody, password: TextBody, manager: UserManagerDep) -> None:
    """Choose a new password with the token from a mail. Ends all sessions of the account."""
    with refusals.bad_request(refusals.RESET):
        await manager.reset_password(token, password)
