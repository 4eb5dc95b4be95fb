"""Letters: what is said to whom, before it is a message."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Letter:
    """What is said to whom: the `template`.txt and `template`.html with `context` filled in."""

    recipient: str
    subject: str
    template: str
    context: Mapping[str, str]
