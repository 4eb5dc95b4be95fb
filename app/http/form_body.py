"""The guard of routes that take a form."""

from fastapi import Request

from app.errors import UnsupportedMediaType

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def require_form(request: Request) -> None:
    """Raise UnsupportedMediaType for a body that is no form; without a body, fields are missing."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in _FORMS and await request.body():
        raise UnsupportedMediaType(*_FORMS)
