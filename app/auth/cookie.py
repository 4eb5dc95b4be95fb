"""The session's cookie (RFC 6265): how it is set and deleted."""

from fastapi import Response

from app.settings.model import Settings


def set_cookie(response: Response, settings: Settings, token: str, seconds: int) -> None:
    """Let the browser keep `token` for `seconds`, out of reach of scripts and other sites."""
    response.set_cookie(
        settings.cookie_name,
        token,
        max_age=seconds,
        path="/",
        secure=settings.has_tls,
        httponly=True,
        samesite="lax",
    )


def delete_cookie(response: Response, settings: Settings) -> None:
    """Let the browser forget the cookie."""
    set_cookie(response, settings, "", 0)
