"""The pages that links in mails open, and the API documentation.

Opening a link changes nothing, because mail scanners open every link: the button does. A link that
cannot work any more says so when it is opened.
"""

from functools import cache
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse
from fastapi_users.exceptions import (
    InvalidPasswordException,
    InvalidResetPasswordToken,
    InvalidVerifyToken,
    UserAlreadyVerified,
)

from app.http.dependencies import ResourcesDep
from app.users.dependencies import UserManagerDep

if TYPE_CHECKING:
    from jinja2 import Environment

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Token = Annotated[str, Query()]
FormText = Annotated[str, Form()]

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
}


# Swagger UI writes inline styles and pictures.
_DOCS_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; "
    "frame-ancestors 'none'"
}


@cache
def _templates() -> "Environment":
    # Imported with the first page, to keep it out of Lambda's cold start.
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=PackageLoader("app.pages"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
    )


def _page(template: str, status: int = 200, **context: object) -> HTMLResponse:
    html = _templates().get_template(f"{template}.html").render(context)
    return HTMLResponse(html, status, _HEADERS)


def _message(title: str, text: str, status: int = 200) -> HTMLResponse:
    return _page("message", status, title=title, text=text)


def _bad_link(status: int = 200) -> HTMLResponse:
    text = "It was used, has expired, or is incomplete. Request a new one."
    return _message("This link does not work", text, status)


def _already_verified() -> HTMLResponse:
    return _message(
        "Already confirmed", "This address was confirmed before. There is nothing left to do."
    )


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Swagger UI, served from this host alone."""
    return HTMLResponse(_templates().get_template("docs.html").render(), headers=_DOCS_HEADERS)


@router.get("/verify")
async def verify_form(manager: UserManagerDep, token: Token = "") -> HTMLResponse:
    try:
        await manager.check_verify_token(token)
    except UserAlreadyVerified:
        return _already_verified()
    except InvalidVerifyToken:
        return _bad_link()
    return _page("verify", token=token)


@router.post("/verify")
async def verify(manager: UserManagerDep, token: FormText = "") -> HTMLResponse:
    try:
        user = await manager.verify(token)
    except UserAlreadyVerified:
        return _already_verified()
    except InvalidVerifyToken:
        return _bad_link(400)
    return _message("Thank you", f"The address {user.email} is confirmed.")


@router.get("/reset-password")
async def reset_password_form(
    resources: ResourcesDep, manager: UserManagerDep, token: Token = ""
) -> HTMLResponse:
    try:
        await manager.check_reset_token(token)
    except InvalidResetPasswordToken:
        return _bad_link()
    minimum = resources.passwords.min_length
    return _page("reset-password", token=token, problem=None, minimum=minimum)


@router.post("/reset-password")
async def reset_password(
    resources: ResourcesDep,
    manager: UserManagerDep,
    token: FormText = "",
    password: FormText = "",
) -> HTMLResponse:
    try:
        await manager.reset_password(token, password)
    except InvalidPasswordException as error:
        minimum = resources.passwords.min_length
        return _page("reset-password", 400, token=token, problem=error.reason, minimum=minimum)
    except InvalidResetPasswordToken:
        # Two clicks, or a reload, submit the form again after it has succeeded.
        if not await manager.was_reset(token, password):
            return _bad_link(400)
    return _message(
        "Your password is changed",
        "All sessions of your account have ended. Log in again.",
    )
