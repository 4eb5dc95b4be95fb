"""The letters to accounts: written when they are delivered, for the account as it is then."""

from datetime import timedelta
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.mail.letters import Letter
from app.resources import Resources
from app.users.database import UserDatabase
from app.users.tables import User

# Each names a letter, its template, the page that its link opens, and its token's audience.
VERIFY = "verify"
RESET = "reset-password"
# Notices, each without a link: it names its letter and its template.
ADDRESS_CHANGED = "address-changed"
PASSWORD_CHANGED = "password-changed"  # noqa: S105


async def verify_letter(resources: Resources, session: AsyncSession, address: str) -> Letter | None:
    """Return the letter that asks an active, unverified account to verify its address."""
    user = await UserDatabase(session).get_by_email(address)
    if user is None or not user.is_active or user.is_verified:
        return None
    return _letter(
        resources,
        user,
        VERIFY,
        "Confirm your e-mail address",
        resources.settings.verify_seconds,
        resources.signer.fingerprint(*verify_proof(user)),
    )


async def reset_letter(resources: Resources, session: AsyncSession, address: str) -> Letter | None:
    """Return the letter that lets an active account choose a new password."""
    user = await UserDatabase(session).get_by_email(address)
    if user is None or not user.is_active:
        return None
    return _letter(
        resources,
        user,
        RESET,
        "Choose a new password",
        resources.settings.reset_seconds,
        resources.signer.fingerprint(*reset_proof(user)),
    )


async def address_changed_letter(
    resources: Resources, session: AsyncSession, address: str
) -> Letter | None:
    """Return the notice, to the address that an account had, that it has another one now."""
    subject = "Your e-mail address was changed"
    context = {"base_url": resources.settings.base_url}
    return Letter(address, subject, ADDRESS_CHANGED, context, to_account=False)


async def password_changed_letter(
    resources: Resources, session: AsyncSession, address: str
) -> Letter | None:
    """Return the notice that an account's password was changed.

    To the address that the account had before the change, which may have changed both.
    """
    subject = "Your password was changed"
    context = {"base_url": resources.settings.base_url}
    is_there = await UserDatabase(session).get_by_email(address) is not None
    return Letter(address, subject, PASSWORD_CHANGED, context, to_account=is_there)


def verify_proof(user: User) -> tuple[str, ...]:
    """Return the parts of a token's fingerprint: it verifies that address alone."""
    return VERIFY, user.email.lower()


def reset_proof(user: User) -> tuple[str, ...]:
    """Return the parts of a token's fingerprint: with the password, it works once."""
    return RESET, user.hashed_password, user.email.lower()


def _letter(
    resources: Resources, user: User, kind: str, subject: str, seconds: int, fingerprint: str
) -> Letter:
    lifetime = timedelta(seconds=seconds)
    token = resources.signer.sign(kind, clock.now() + lifetime, sub=str(user.id), proof=fingerprint)
    base_url = resources.settings.base_url
    context = {
        "base_url": base_url,
        "link": f"{base_url}/{kind}?{urlencode({'token': token})}",
        "token": token,
        "lifetime": _in_words(seconds),
    }
    # To the stored address: the requested one can have the same key and be another person's.
    return Letter(user.email, subject, kind, context)


def _in_words(seconds: int) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"
