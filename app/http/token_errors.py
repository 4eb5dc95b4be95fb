"""The members of a token endpoint's error beside `detail` (RFC 6749, section 5.2).

OAuth libraries take an answer without `error` for a token.
"""

from collections.abc import Sequence
from typing import Any

from starlette.types import Scope

_PASSWORD = "Send username and password as application/x-www-form-urlencoded."  # noqa: S105
_REFRESH = "Send refresh_token as JSON, or with grant_type=refresh_token as a form."
_FORM = "Send the fields as application/x-www-form-urlencoded."
_REMEDIES = {
    "/auth/jwt/login": _PASSWORD,
    "/auth/cookie/login": _PASSWORD,
    "/auth/jwt/refresh": _REFRESH,
    "/auth/token": _FORM,
    "/auth/introspect": _FORM,
    "/auth/revoke": _FORM,
}
_GRANTS = {
    "/auth/jwt/refresh": "refresh_token",
    "/auth/token": "password or grant_type=refresh_token",
}


def members(
    scope: Scope, status: int, invalid: Sequence[tuple[int | str, ...]] = ()
) -> dict[str, Any]:
    """Return the members of an error whose exception names none; empty elsewhere, or for 5xx.

    `invalid`: where the request's fields were invalid.
    """
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    if path not in _REMEDIES or status >= 500:
        return {}
    if ("body", "grant_type") in invalid:
        remedy = f"Send grant_type={_GRANTS.get(path, 'password')}."
        return {"error": "unsupported_grant_type", "error_description": remedy}
    return {"error": "invalid_request", "error_description": _REMEDIES[path]}
