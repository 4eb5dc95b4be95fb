"""Which cells a run tests: a cell is a transport of the service, on the database of the run.

`all` is each test of the contract in each transport. `pairs` is one transport for each test, which
the databases take in turn, so that over the four of them each test meets each database and each
transport, and each database each transport: pairwise testing (Cohen, Dalal, Fredman and Patton,
"The AETG System", IEEE Transactions on Software Engineering 23, 1997).
"""

from zlib import crc32

import pytest

from tests.databases import KINDS

TRANSPORTS = ("in-process", "tcp", "lambda")
DATABASES = tuple(KINDS)


def transport_of(test: str, database: str) -> str:
    """Return the transport that a test of this name has on a database."""
    return TRANSPORTS[(crc32(test.encode()) + DATABASES.index(database)) % len(TRANSPORTS)]


def every_cell(item: pytest.Item, database: str) -> bool:
    return True


def pair(item: pytest.Item, database: str) -> bool:
    """Return whether the test of `item` has its transport on `database`."""
    call = getattr(item, "callspec", None)
    if call is None or "service" not in call.params:
        return True
    transport: str = call.params["service"]
    return transport == transport_of(item.nodeid.replace(f"[{transport}", "[", 1), database)


CHOICES = {"all": every_cell, "pairs": pair}
