"""The members of a token endpoint's error beside `detail` (RFC 6749, section 5.2).

OAuth libraries take an answer without `error` for a token.
"""

from collections.abc import Sequence
from typing import Any

from starlette.types import Scope

TOKEN_PATHS = ("/auth/jwt/login",)


def members(
    scope: Scope, status: int, invalid: Sequence[tuple[int | str, ...]] = ()
) -> dict[str, Any]:
    """Return the members of an error whose exception names none; empty elsewhere, or for 5xx.

    `invalid`: where the request's fields were invalid.
    """
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    if path not in TOKEN_PATHS or status >= 500:
        return {}
    if ("body", "grant_type") in invalid:
        return {"error": "unsupported_grant_type", "error_description": "Send grant_type=password."}
    return {
        "error": "invalid_request",
        "error_description": "Send username and password as application/x-www-form-urlencoded.",
    }
