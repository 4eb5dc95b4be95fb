"""A job with a count of every outcome."""

from tests.databases import in_database
from tests.migrations.rows import Losses, Rows
from tests.migrations.rows.r0004 import NEVER, THEN
from tests.service import Service

SUMS = {"done": 2**53, "failed": 4, "dead": 3, "lost": 2, "replayed": 1, "worked_ms": 2**53 + 1}
ROWS: Rows = {
    "tick_job": [
        {
            "name": "long gone",
            "fence": 3,
            "owner": None,
            "occurrence": THEN,
            "done_through": THEN,
            "lease_until": NEVER,
            "attempts": 0,
        }
        | SUMS
    ]
}
LOSES: Losses = {"tick_job": set(SUMS)}


def read_back(service: Service) -> None:
    sums = ", ".join(SUMS)
    counted = f"SELECT {sums} FROM tick_job WHERE name = :name"
    assert in_database(service.folder, counted, name="long gone") == [tuple(SUMS.values())]
    service.command("tick", "--job", "purge")
    [after] = in_database(service.folder, counted, name="purge")
    assert after[:4] == (1, 0, 0, 0)
