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
    message = EmailMessage(email.policy.SMTPUTF8)
    message["From"] = settings.mail_from
    message["To"] = recipient = _deliverable(letter.recipient)
    if [address.addr_spec for address in message["To"].addresses] != [recipient]:
        raise ValueError("the recipient would be read as another one")
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(clock.now())
    domain = parseaddr(settings.mail_from)[1].rpartition("@")[2] or "localhost"
    message["Message-ID"] = f"<{message_id.hex}@{domain}>"
    # RFC 3834: no automatic replies.
    message["Auto-Submitted"] = "auto-generated"
    # Plain ASCII keeps a long link on one line, in .eml files too.
    message.set_content(_render(f"{letter.template}.txt", letter.context), cte="7bit")
    html = _render(f"{letter.template}.html", letter.context)
    message.add_alternative(html, subtype="html", cte="7bit")
    return message


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
