"""The errors that an HTTP client can receive, as one tree. Imports nothing of ours.

APIError (status, code, keeps_writes)
├── BadRequest           400  one of fastapi-users' codes, with a reason for a bad password
│   └── GrantRefused     400  with RFC 6749's error
├── TickBadTime          400
├── UnknownJob           400
├── Unauthorized         401  WWW-Authenticate
├── RefreshTokenInvalid  401  WWW-Authenticate, RFC 6749's error
│   └── RefreshTokenReused    keeps its writes
├── Forbidden            403
├── CSRFFailed           403
├── NotFound             404
├── LastSuperuser        409
├── TickRunning          409  Retry-After
├── UnsupportedMediaType 415  Accept
├── TickTooOften         429  Retry-After
├── PasswordHashingBusy  503  Retry-After
└── DatabaseUnavailable  503  Retry-After
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class APIError(Exception):
    """A refused request, answered with `status` and `{"detail": …}`.

    Raised inside a transaction it rolls the transaction back, unless `keeps_writes`: then the
    transaction is committed before the answer is sent.
    """

    status: ClassVar[int]
    code: str
    keeps_writes: ClassVar[bool] = False
    headers: Mapping[str, str] | None = None
    members: Mapping[str, str] = {}
    """Members of the answer beside `detail`."""

    @property
    def detail(self) -> Any:
        """The value of the answer's `detail`: the code, unless a subclass has more to say."""
        return self.code

    def __str__(self) -> str:
        return super().__str__() or self.code


class BadRequest(APIError):
    """A refusal with one of fastapi-users' codes; `reason` says why a password was refused."""

    status = 400

    def __init__(self, code: str, reason: object = None) -> None:
        super().__init__()
        self.code = code
        self.reason = reason

    @property
    def detail(self) -> Any:
        return self.code if self.reason is None else {"code": self.code, "reason": self.reason}


class GrantRefused(BadRequest):
    """A log-in that is refused (RFC 6749, section 5.2)."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(code)
        self.members = {"error": "invalid_grant", "error_description": description}


class TickBadTime(APIError):
    """`scheduled_at` is not an ISO 8601 time with an offset, or too far ahead."""

    status, code = 400, "TICK_BAD_TIME"


class UnknownJob(APIError):
    status, code = 400, "TICK_UNKNOWN_JOB"


class Unauthorized(APIError):
    """No token was sent, or one that is refused: the challenge says which (RFC 6750, section 3)."""

    status, code = 401, "Unauthorized"

    def __init__(self, problem: str | None = None) -> None:
        """`problem`: why the token is refused, in ASCII without quotes; None if none was sent."""
        super().__init__()
        refused = f' error="invalid_token", error_description="{problem}"' if problem else ""
        self.headers = {"WWW-Authenticate": f"Bearer{refused}"}


class RefreshTokenInvalid(APIError):
    """A refresh token is not one of ours, or its session has ended (RFC 6749, section 5.2)."""

    status, code = 401, "REFRESH_TOKEN_INVALID"
    description = "The token is invalid, or its session has ended. Log in again."

    def __init__(self) -> None:
        super().__init__()
        self.headers = {"WWW-Authenticate": 'Bearer error="invalid_grant"'}
        self.members = {"error": "invalid_grant", "error_description": self.description}


class RefreshTokenReused(RefreshTokenInvalid):
    """A refresh token was used before: by a thief, or by its owner after one."""

    code = "REFRESH_TOKEN_REUSED"
    keeps_writes = True
    description = "The token was used before, so its session was ended. Log in again."


class Forbidden(APIError):
    status, code = 403, "Forbidden"


class CSRFFailed(APIError):
    """A page of another site caused the request, whose cookie the browser sent along."""

    status, code = 403, "CSRF_FAILED"


class NotFound(APIError):
    status, code = 404, "Not Found"


class LastSuperuser(APIError):
    """The change would leave no account that can manage the others."""

    status, code = 409, "LAST_SUPERUSER"


class TickRunning(APIError):
    """Another process is running every job that the tick asked for."""

    status, code = 409, "TICK_RUNNING"

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds until the next attempt can succeed."""
        super().__init__()
        self.headers = {"Retry-After": str(retry_after)}


class UnsupportedMediaType(APIError):
    """A log-in's body is no form (RFC 9110, section 15.5.16; RFC 6749, section 5.2)."""

    status, code = 415, "UNSUPPORTED_MEDIA_TYPE"

    def __init__(self, *accepted: str) -> None:
        """`accepted`: the media types that the route takes, the usual one first."""
        super().__init__()
        self.headers = {"Accept": ", ".join(accepted)}
        self.reason = f"Send the body as {accepted[0]}"
        self.members = {"error": "invalid_request", "error_description": self.reason}

    @property
    def detail(self) -> Any:
        return {"code": self.code, "reason": self.reason}


class TickTooOften(TickRunning):
    status, code = 429, "TICK_TOO_OFTEN"


class PasswordHashingBusy(APIError):
    """More password hashes are queued than can be computed in time."""

    status, code = 503, "PASSWORDS_BUSY"
    headers = {"Retry-After": "3"}  # noqa: RUF012, nothing changes it


class DatabaseUnavailable(APIError):
    """The database cannot run the transaction now. Raised from COMMIT, its outcome is unknown.

    The server is unreachable, overloaded, read-only, or not at the required revision. The message
    is for the log: it can name hosts, never a password.
    """

    status, code = 503, "DATABASE_UNAVAILABLE"
    headers = {"Retry-After": "1"}  # noqa: RUF012, nothing changes it
