"""A session that was refreshed, and an audit event."""

from uuid import UUID

from app.crypto.refresh_tokens import RefreshTokens
from tests.databases import in_database
from tests.migrations.rows import Losses, Rows, id_, moment
from tests.service import SECRET, Service

TOKENS = {
    "transport": "bearer",
    "refresh_counter": 3,
    "refreshed_at": moment(2026, 123_456),
    "last_seen_at": moment(2026),
    "ip": "2001:db8::1",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
}
ROWS: Rows = {
    "user_session": [
        {
            "id": id_(91),
            "user_id": id_(1),
            # A session ends 90 days after its log-in.
            "created_at": moment(2126),
            "expires_at": moment(2126, 654_321),
        }
        | TOKENS
    ],
    "audit_event": [
        {
            "id": id_(92),
            "at": moment(2126),
            "action": "session.refresh_token_reused",
            "actor_id": None,
            "subject_id": id_(1),
            "session_id": id_(93),
            "ip": "192.0.2.1",
            "user_agent": None,
        }
    ],
}
LOSES: Losses = {"user_session": set(TOKENS), "audit_event": None}


def read_back(service: Service) -> None:
    token = RefreshTokens(SECRET).write(UUID(str(id_(91))), 3)
    answer = service.client.post("/auth/jwt/refresh", json={"refresh_token": token})
    assert answer.status_code == 200, answer.text
    assert answer.json()["refresh_token"] == RefreshTokens(SECRET).write(UUID(str(id_(91))), 4)
    counter = "SELECT refresh_counter, transport FROM user_session WHERE refreshed_at IS NOT NULL"
    assert in_database(service.folder, counter) == [(4, "bearer")]
    assert in_database(service.folder, "SELECT action FROM audit_event") == [
        ("session.refresh_token_reused",)
    ]
