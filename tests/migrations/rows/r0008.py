"""Mails to an account that is deleted afterwards."""

from tests.databases import in_database
from tests.migrations.rows import Losses, Rows, id_, moment
from tests.migrations.rows.r0001 import ARTHUR, user
from tests.service import Service

ADDRESS = "galahad@camelot.bt"


def _message(number: int, **values: object) -> dict[str, object]:
    return {
        "id": id_(number),
        "letter": "verify",
        "address": ADDRESS,
        "state": "waiting",
        "attempts": 0,
        "created_at": moment(2026),
        "due_at": moment(2026),
        "finished_at": None,
        "error": None,
    } | values


ROWS: Rows = {
    "user_account": [user(81, ADDRESS, ADDRESS)],
    "mail_message": [
        _message(82, due_at=moment(2300)),
        _message(83, state="sent", attempts=1, finished_at=moment(2026)),
        _message(84, state="dead", attempts=10, finished_at=moment(2026), error=f"550 {ADDRESS}"),
        _message(85, address="bors@camelot.bt", state="dead", finished_at=moment(2300)),
    ],
}
LOSES: Losses = {}


def read_back(service: Service) -> None:
    headers = service.login(ARTHUR)
    assert service.client.delete(f"/users/{id_(81)}", headers=headers).status_code == 204
    found = in_database(service.folder, "SELECT address, error FROM mail_message")
    assert ADDRESS not in str(found)
    assert ("bors@camelot.bt", None) in found
