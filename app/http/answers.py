"""The errors that routes answer with, as OpenAPI describes them: each with its codes."""

from collections.abc import Sequence
from typing import Any

Schema = dict[str, Any]
Answer = dict[str, Any]

RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds until the next try can succeed.",
        "schema": {"type": "integer"},
    }
}


def refusal(
    name: str, description: str, codes: Sequence[str], headers: dict[str, Any] | None = None
) -> Answer:
    """Return an error whose `detail` is one of `codes`, for a route's `responses`.

    `name`: of its schema, which all routes with this answer share.
    """
    return answer(name, description, {"type": "string", "enum": list(codes)}, codes[0], headers)


def answer(
    name: str,
    description: str,
    detail: Schema,
    example: Any,
    headers: dict[str, Any] | None = None,
    members: dict[str, tuple[Schema, Any]] | None = None,
) -> Answer:
    """Return an error with a `detail` of any form; `members`: schema and example of others."""
    described = {"detail": (detail, example), **(members or {})}
    schema = {
        "title": name,
        "type": "object",
        "properties": {member: schema for member, (schema, _) in described.items()},
        "required": list(described),
        "examples": [{member: example for member, (_, example) in described.items()}],
    }
    return {
        "description": description,
        "content": {"application/json": {"schema": schema}},
        **({"headers": headers} if headers else {}),
    }


def token_refusal(
    name: str,
    description: str,
    detail: Schema,
    example: Any,
    *errors: str,
    headers: dict[str, Any] | None = None,
) -> Answer:
    """Return an error of a token endpoint, with RFC 6749's members (section 5.2).

    `errors`: the values that its `error` can have.
    """
    members: dict[str, tuple[Schema, Any]] = {
        "error": ({"type": "string", "enum": list(errors)}, errors[0]),
        "error_description": ({"type": "string"}, "For people."),
    }
    return answer(name, description, detail, example, headers, members)


CHALLENGE = {
    "WWW-Authenticate": {"description": "RFC 6750, section 3.", "schema": {"type": "string"}}
}
UNAUTHORIZED = refusal(
    "UnauthorizedError",
    "Missing or invalid token, or an inactive account.",
    ["Unauthorized"],
    CHALLENGE,
)
WRONG_TOKEN = {**UNAUTHORIZED, "description": "Missing or wrong token."}
FORBIDDEN = refusal("ForbiddenError", "Not a superuser.", ["Forbidden"])
CSRF_FAILED = refusal("CSRFError", "A page of another site sent the request.", ["CSRF_FAILED"])
UNVERIFIED = {**FORBIDDEN, "description": "The account's address is not verified."}
REFUSED = refusal(
    "RefusedError",
    "The account may not do this, or a page of another site sent the request.",
    ["Forbidden", "CSRF_FAILED"],
)
_NOT_FOUND = refusal("NotFoundError", "", ["Not Found"])
NO_TOKEN_SET = {**_NOT_FOUND, "description": "No token is configured."}

OF_BODIES = {
    "408": refusal("RequestTimeoutError", "The body took too long.", ["Request Timeout"]),
    "413": refusal("ContentTooLargeError", "The body is too large.", ["Content Too Large"]),
    "415": refusal(
        "UnsupportedMediaTypeError", "The content type is too long.", ["Unsupported Media Type"]
    ),
}
"""The answers of every route that reads a body."""

UNAVAILABLE = refusal(
    "UnavailableError",
    "The database, or time to hash a password, is lacking.",
    ["DATABASE_UNAVAILABLE", "PASSWORDS_BUSY", "OUT_OF_TIME"],
    RETRY_AFTER,
)


def not_found(description: str) -> Answer:
    """Return the answer 404."""
    return {**_NOT_FOUND, "description": description}
