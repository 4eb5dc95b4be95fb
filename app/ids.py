"""The one place where identifiers are made."""

import secrets
import time
from uuid import UUID


def new_id() -> UUID:
    """Return a UUID of version 7: 48 bits of Unix milliseconds, then 74 random ones.

    Consecutive rows are neighbours in an index. RFC 9562, section 5.7.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
