"""The examples of requests and answers in the OpenAPI document."""

from typing import Any

EXAMPLES: dict[str, Any] = {
    "AccessToken": {
        "access_token": "eyJ…",
        "token_type": "bearer",
        "expires_in": 3_600,
        "refresh_token": "kr_…",
        "refresh_expires_in": 1_209_600,
    },
    "UserRegister": {"email": "king@camelot.bt", "password": "excalibur"},
    "UserRead": {
        "id": "01a2041d-06b3-727a-8645-494f6799080f",
        "email": "king@camelot.bt",
        "is_active": True,
        "is_superuser": False,
        "is_verified": False,
    },
    "UserUpdate": {"is_active": False},
    "UserUpdateMe": {"email": "arthur@camelot.bt"},
}
"""By the name of a schema."""
