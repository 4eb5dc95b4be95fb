"""Refuses requests that another site's page causes (cross-site request forgery)."""

from urllib.parse import urlsplit

from fastapi import Request

from app.errors import CSRFFailed
from app.settings.model import Settings

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# The browser's own words for a page of this origin, and for no page at all: an address that was
# typed. Scripts cannot set the header (Fetch Metadata, section 2.3).
_OWN = ("same-origin", "none")


def require_own_page(request: Request, settings: Settings, method: str) -> None:
    """Raise CSRFFailed unless a page of ours, or of a listed origin, sends an unsafe `method`.

    For requests whose credential the browser adds by itself.
    """
    if method.upper() in SAFE_METHODS or request.headers.get("Sec-Fetch-Site") in _OWN:
        return
    if request.headers.get("Origin") not in (_own_origin(settings), *settings.origins):
        raise CSRFFailed


def _own_origin(settings: Settings) -> str:
    parts = urlsplit(settings.base_url)
    return f"{parts.scheme}://{parts.netloc}"
