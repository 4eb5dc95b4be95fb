"""A letter: subject, template and recipient, before it becomes a message."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Letter:
    """A mail to write: `template`.txt and `template`.html, rendered with `context`.

    `to_account`: whether an account has the recipient's address. The outbox forgets any other
    address once the mail is sent.
    """

    recipient: str
    subject: str
    template: str
    context: Mapping[str, str]
    to_account: bool = True
