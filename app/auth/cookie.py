"""The session's cookie (RFC 6265): how it is read, set and deleted."""

from fastapi import Request, Response

from app.settings.model import Settings


def read_cookie(request: Request, settings: Settings) -> str | None:
    """Return the cookie's value, which is not empty, or None.

    `request.cookies` strips names as `str.strip` does, of the bytes 85 and A0 too. To a browser
    these are a part of the name, which then has no prefix `__Host-`: any host of the site could set
    such a cookie, and sign a person in as somebody else.
    """
    pairs = (pair for header in request.headers.getlist("Cookie") for pair in header.split(";"))
    cookies = {
        name.strip(" \t"): value for name, _, value in (pair.partition("=") for pair in pairs)
    }
    return cookies.get(settings.cookie_name, "").strip(" \t") or None


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
