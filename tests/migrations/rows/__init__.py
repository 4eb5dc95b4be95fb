"""The rows of each revision: one module each, r0001 for revision 0001.

ROWS: rows that the application of that revision wrote, by table; inserted at that revision.
LOSES: the losses of its downgrade: whole tables (None), or columns (a set of names).
read_back(service): checks those rows at head, through the application. Raises AssertionError.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
Losses = Mapping[str, set[str] | None]


def id_(number: int) -> UUID:
    """Return an id that is easy to recognise."""
    return UUID(int=0x0192_0000_0000_7000_8000_0000_0000_0000 + number)


def moment(year: int, microsecond: int = 0) -> datetime:
    return datetime(year, 7, 1, 12, 30, 15, microsecond, tzinfo=UTC)
