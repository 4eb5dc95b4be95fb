"""E-mail addresses: their validation, and the key that spellings of one address share."""

import unicodedata
from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field

from app import limits

# Without a width: they come along with a pasted address, and str.strip() leaves them.
_INVISIBLE = "\ufeff\u200b\u2060"


def email_key(email: str) -> str:
    """Return the key of an address: NFKC and casefold (Unicode, sections 3.13 and 5.18)."""
    folded = unicodedata.normalize("NFKC", _trim(email)).casefold()
    return unicodedata.normalize("NFKC", folded)


def same_spelling(email: str) -> str:
    """Return one spelling for all spellings of an address: it has the same key as `email`.

    That is the key itself, but for a few sequences of characters that have another key once they
    are folded.
    """
    key = email_key(email)
    return key if email_key(key) == key else email


def _trim(text: str) -> str:
    return text.strip().strip(_INVISIBLE).strip()


def storable(text: str) -> bool:
    """Return whether every database stores `text`: no NUL, no unpaired surrogate."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def parse_email(text: str) -> str:
    """Return the address in `text`, its domain in lower case.

    Raises ValueError for anything but one address, such as a display name beside it.
    """
    if not limits.EMAIL.holds(text):
        raise ValueError("not an e-mail address: it is too long")
    if "=?" in text:
        # RFC 2047: a mail server could decode it into another address.
        raise ValueError("not an e-mail address: it contains an encoded word")
    try:
        email = validate_email(_trim(text), check_deliverability=False, strict=True).normalized
    except EmailNotValidError as error:
        raise ValueError(f"not an e-mail address: {error}") from None
    # Folding can turn one character into eighteen.
    if len(email_key(email)) > limits.EMAIL.characters:
        raise ValueError("not an e-mail address: it is too long")
    return email


Email = Annotated[
    str,
    # Before the parser, which would normalise a longer text.
    Field(json_schema_extra={"format": "email"}, max_length=limits.EMAIL.characters),
    AfterValidator(parse_email),
]
