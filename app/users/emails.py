"""E-mail addresses: which are taken, and when two are the same."""

import unicodedata
from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field

MAX_LENGTH = 320


def email_key(email: str) -> str:
    """Return what all spellings of an address share: NFKC and casefold (Unicode, 3.13 and 5.18)."""
    folded = unicodedata.normalize("NFKC", email.strip()).casefold()
    return unicodedata.normalize("NFKC", folded)


def storable(text: str) -> bool:
    """Tell whether every database takes `text`: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def parse_email(text: str) -> str:
    """Return the address in `text`, its domain in lower case.

    Raises ValueError for anything else, a display name beside it included.
    """
    if "=?" in text:
        # RFC 2047: mail software would decode it into another address.
        raise ValueError("not an e-mail address: it contains an encoded word")
    try:
        email = validate_email(text.strip(), check_deliverability=False, strict=True).normalized
    except EmailNotValidError as error:
        raise ValueError(f"not an e-mail address: {error}") from None
    # Folding can lengthen: one letter may stand for eighteen.
    if len(email_key(email)) > MAX_LENGTH:
        raise ValueError("not an e-mail address: it is too long")
    return email


Email = Annotated[
    str,
    AfterValidator(parse_email),
    Field(json_schema_extra={"format": "email"}, max_length=MAX_LENGTH),
]
