"""The e-mail messages that letters are sent as."""

import email.policy
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from functools import cache
from uuid import UUID

from email_validator import validate_email
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from app import clock
from app.mail.letters import Letter
from app.settings.model import Settings


def write_message(settings: Settings, letter: Letter, message_id: UUID) -> EmailMessage:
    """Return `letter` as a message (RFC 5322). Its Message-ID is the same at every attempt."""
    recipient = _deliverable(letter.recipient)
    # Other headers are encoded words (RFC 2047), which any server takes; an address cannot be.
    needs_utf8 = not (recipient.isascii() and parseaddr(settings.mail_from)[1].isascii())
    message = EmailMessage(email.policy.SMTPUTF8 if needs_utf8 else email.policy.SMTP)
    message["From"] = settings.mail_from
    message["To"] = recipient
    if [address.addr_spec for address in message["To"].addresses] != [recipient]:
        raise ValueError("the recipient would be read as another one")
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(clock.now())
    domain = parseaddr(settings.mail_from)[1].rpartition("@")[2] or "localhost"
    message["Message-ID"] = f"<{message_id.hex}@{domain}>"
    # RFC 3834: no automatic replies.
    message["Auto-Submitted"] = "auto-generated"
    text, html = (_render(f"{letter.template}.{kind}", letter.context) for kind in ("txt", "html"))
    message.set_content(text, cte=_encoding(text))
    message.add_alternative(html, subtype="html", cte=_encoding(html))
    return message


def _encoding(text: str) -> str:
    """Return the content transfer encoding (RFC 2045, section 6): none of them folds a link.

    Plain ASCII can be read in .eml files; a line has at most 998 characters (RFC 5322).
    """
    is_plain = text.isascii() and all(len(line) <= 998 for line in text.splitlines())
    return "7bit" if is_plain else "base64"


def _deliverable(address: str) -> str:
    """Return `address` in ASCII if it has such a form (IDNA)."""
    return validate_email(address, check_deliverability=False).ascii_email or address


def _render(template: str, context: Mapping[str, str]) -> str:
    return _templates().get_template(template).render(context)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("app.mail"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
