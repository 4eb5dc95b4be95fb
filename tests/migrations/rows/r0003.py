"""Mail in every state."""

from tests.migrations.rows import Losses, Rows, id_, moment
from tests.service import Service, token_in


def _message(number: int, **values: object) -> dict[str, object]:
    return {
        "id": id_(30 + number),
        "letter": "verify",
        "address": "lancelot@camelot.bt",
        "state": "waiting",
        "attempts": 0,
        "created_at": moment(2026, number),
        "due_at": moment(2026),
        "finished_at": None,
        "error": None,
    } | values


ROWS: Rows = {
    "mail_message": [
        _message(1),
        _message(2, letter="reset-password", attempts=3, error="it said: 🤷 " + "e" * 5_000),
        _message(3, state="sent", attempts=1, finished_at=moment(2026, 500_000)),
        _message(4, state="dead", attempts=10, finished_at=moment(2026), error="away"),
        _message(5, state="dropped", address="💀@camelot.bt", finished_at=moment(2026)),
    ]
}
LOSES: Losses = {"mail_message": None}


def read_back(service: Service) -> None:
    service.command("tick", "--job", "mail")
    sent = [service.letter("lancelot@camelot.bt") for _ in range(2)]
    [proof] = [token_in(letter) for letter in sent if "Confirm" in letter["Subject"]]
    assert service.client.post("/auth/verify", json={"token": proof}).status_code == 200
    assert len(service.letters("lancelot@camelot.bt")) == 2
