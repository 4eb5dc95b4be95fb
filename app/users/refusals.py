"""The errors that the manager refuses a request with, and the codes that clients receive.

The codes are fastapi-users': its clients know them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi_users.exceptions import (
    InvalidPasswordException,
    InvalidResetPasswordToken,
    InvalidVerifyToken,
    UserAlreadyExists,
    UserAlreadyVerified,
)
from fastapi_users.router.common import ErrorCode

from app.errors import BadRequest
from app.http import answers

Codes = Mapping[type[Exception], str]

REGISTER: Codes = {
    UserAlreadyExists: ErrorCode.REGISTER_USER_ALREADY_EXISTS,
    InvalidPasswordException: ErrorCode.REGISTER_INVALID_PASSWORD,
}
UPDATE: Codes = {
    UserAlreadyExists: ErrorCode.UPDATE_USER_EMAIL_ALREADY_EXISTS,
    InvalidPasswordException: ErrorCode.UPDATE_USER_INVALID_PASSWORD,
}
VERIFY: Codes = {
    InvalidVerifyToken: ErrorCode.VERIFY_USER_BAD_TOKEN,
    UserAlreadyVerified: ErrorCode.VERIFY_USER_ALREADY_VERIFIED,
}
RESET: Codes = {
    InvalidResetPasswordToken: ErrorCode.RESET_PASSWORD_BAD_TOKEN,
    InvalidPasswordException: ErrorCode.RESET_PASSWORD_INVALID_PASSWORD,
}


def answer(name: str, codes: Codes) -> answers.Answer:
    """Return the answer 400 with one of `codes`, for OpenAPI; `name`: of its schema."""
    plain = [code for error, code in codes.items() if error is not InvalidPasswordException]
    detail: dict[str, Any] = {"type": "string", "enum": plain}
    if InvalidPasswordException in codes:
        invalid_password = {
            "type": "object",
            "properties": {
                "code": {"type": "string", "enum": [codes[InvalidPasswordException]]},
                "reason": {"type": "string"},
            },
            "required": ["code", "reason"],
        }
        detail = {"anyOf": [detail, invalid_password]}
    return answers.answer(name, "Refused; `detail` says why.", detail, plain[0])


@contextmanager
def bad_request(codes: Codes) -> Iterator[None]:
    """Raise BadRequest, with the code in `codes`, for an error of the block that is listed there.

    An invalid password's answer holds the reason as well.
    """
    try:
        yield
    except tuple(codes) as error:
        raise BadRequest(codes[type(error)], getattr(error, "reason", None)) from None
