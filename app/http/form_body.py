"""The guard of routes that take a form."""

from fastapi import Request

from app.errors import UnsupportedMediaType
from app.http.answers import token_refusal

FORM = "application/x-www-form-urlencoded"
FORMS = (FORM, "multipart/form-data")

NO_FORM = token_refusal(
    "LoginMediaTypeError",
    "The body has another type, or the content type is too long.",
    {
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "code": {"type": "string", "enum": [UnsupportedMediaType.code]},
                    "reason": {"type": "string"},
                },
                "required": ["code", "reason"],
            },
            {"type": "string", "enum": ["Unsupported Media Type"]},
        ]
    },
    {"code": UnsupportedMediaType.code, "reason": f"Send the body as {FORM}"},
    "invalid_request",
)
"""The answer to a body that is no form, for a route's `responses`."""


def is_form(content_type: str | None) -> bool:
    """Return whether a body of this type is a form."""
    return (content_type or "").partition(";")[0].strip().lower() in FORMS


async def require_form(request: Request) -> None:
    """Raise UnsupportedMediaType for a body that is no form; without a body, fields are missing."""
    if not is_form(request.headers.get("Content-Type")) and await request.body():
        raise UnsupportedMediaType(*FORMS)
