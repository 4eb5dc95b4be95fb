"""The OpenAPI document of the application."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from app.settings.model import Settings

Document = dict[str, Any]


def document(app: FastAPI, settings: Settings) -> Callable[[], Document]:
    """Return the function that makes the document of `app`, to replace `app.openapi`."""

    def openapi() -> Document:
        found = FastAPI.openapi(app)
        if settings.base_path:
            _make_token_url_absolute(found, settings.base_url)
        return found

    return openapi


def _make_token_url_absolute(found: Document, base_url: str) -> None:
    """A relative one would be resolved against the server's URL without its last segment."""
    flows = found["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]
    flows["password"]["tokenUrl"] = f"{base_url}/auth/jwt/login"
