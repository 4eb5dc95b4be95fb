"""Sessions: one active, one expired."""

from uuid import UUID

import jwt

from tests.migrations.rows import Losses, Rows, id_, moment
from tests.service import SECRET, Service, bearer

ROWS: Rows = {
    "user_session": [
        {
            "id": id_(21),
            "user_id": id_(1),
            "created_at": moment(2026),
            "expires_at": moment(2126, 654_321),
        },
        {
            "id": id_(22),
            "user_id": id_(2),
            "created_at": moment(2025),
            "expires_at": moment(2026),
        },
    ]
}
LOSES: Losses = {"user_session": None}


def token(login: UUID, user: UUID) -> dict[str, str]:
    """Return the headers of a request with the token of `login`, as releases then signed it."""
    claims = {"sub": str(user), "jti": str(login), "aud": "session", "exp": moment(2126)}
    return bearer(jwt.encode(claims, SECRET, algorithm="HS256"))


def read_back(service: Service) -> None:
    standing = service.client.get("/users/me", headers=token(id_(21), id_(1)))
    assert standing.json()["email"] == "Arthur@camelot.bt"
    assert service.client.get("/users/me", headers=token(id_(22), id_(2))).status_code == 401
