"""An account with every flag inverted."""

from tests.migrations.rows import Losses, Rows, id_
from tests.migrations.rows.r0001 import ARTHUR, user
from tests.service import Service

ROWS: Rows = {
    "user_account": [
        user(
            61,
            "morgana@camelot.bt",
            "morgana@camelot.bt",
            is_active=False,
            is_superuser=True,
            is_verified=True,
        )
    ]
}
LOSES: Losses = {}


def read_back(service: Service) -> None:
    shown = service.client.get(f"/users/{id_(61)}", headers=service.login(ARTHUR)).json()
    assert (shown["is_active"], shown["is_superuser"], shown["is_verified"]) == (False, True, True)
