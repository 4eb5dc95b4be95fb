"""A job with tries that no run records."""

from tests.databases import in_database
from tests.migrations.rows import Losses, Rows
from tests.migrations.rows.r0004 import NEVER, THEN
from tests.service import Service

ROWS: Rows = {
    "tick_job": [
        {
            "name": "purge",
            "fence": 3,
            "owner": None,
            "occurrence": THEN,
            "done_through": THEN - 10,
            "lease_until": NEVER,
            "attempts": 4,
        }
    ]
}
LOSES: Losses = {"tick_job": {"attempts"}}


def read_back(service: Service) -> None:
    statement = "SELECT attempts FROM tick_job WHERE name = 'purge'"
    assert in_database(service.folder, statement) == [(4,)]
    assert "done" in service.command("tick", "--job", "purge")
    assert in_database(service.folder, statement) == [(0,)]
