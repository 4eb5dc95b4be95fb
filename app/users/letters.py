"""The letters that accounts get: made when they are sent, for whoever has the address then."""

from datetime import timedelta
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.mail.letters import Letter
from app.services import Services
from app.signing import Signer
from app.users.store import UserStore
from app.users.tables import User

# Each is a letter, its template, the page its link opens, and the audience of its token.
VERIFY = "verify"
RESET = "reset-password"


async def verify_letter(services: Services, session: AsyncSession, address: str) -> Letter | None:
    """Ask an active account whose address is not proven yet for the proof."""
    user = await UserStore(session).get_by_email(address)
    if user is None or not user.is_active or user.is_verified:
        return None
    return _letter(
        services,
        user,
        VERIFY,
        "Confirm your e-mail address",
        services.settings.verify_seconds,
        verify_proof(services.signer, user),
    )


async def reset_letter(services: Services, session: AsyncSession, address: str) -> Letter | None:
    """Let an active account choose a new password."""
    user = await UserStore(session).get_by_email(address)
    if user is None or not user.is_active:
        return None
    return _letter(
        services,
        user,
        RESET,
        "Choose a new password",
        services.settings.reset_seconds,
        reset_proof(services.signer, user),
    )


def verify_proof(signer: Signer, user: User) -> str:
    """Return what changes with the address, so that a token proves that one alone."""
    return signer.fingerprint(VERIFY, user.email.lower())


def reset_proof(signer: Signer, user: User) -> str:
    """Return what changes with the password and the address, so that a token works once."""
    return signer.fingerprint(RESET, user.hashed_password, user.email.lower())


def _letter(
    services: Services, user: User, kind: str, subject: str, seconds: int, proof: str
) -> Letter:
    lifetime = timedelta(seconds=seconds)
    token = services.signer.sign(kind, clock.now() + lifetime, sub=str(user.id), proof=proof)
    base_url = services.settings.base_url
    words = {
        "base_url": base_url,
        "link": f"{base_url}/{kind}?{urlencode({'token': token})}",
        "token": token,
        "lifetime": _in_words(seconds),
    }
    # To the stored address: the one that was typed may fold to the same key and be another's.
    return Letter(user.email, subject, kind, words)


def _in_words(seconds: int) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"
