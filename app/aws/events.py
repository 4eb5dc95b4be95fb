"""The events that Lambda is invoked with: requests in four formats, and the schedule's."""

import json
import re
from typing import Any

from mangum.types import LambdaConfig, LambdaContext, LambdaEvent, Response
from starlette.types import Scope

from app.http.bearer import INTERNAL_REQUEST

_READABLE = {"host": r"[^:\s]+(:\d{1,5})?", "x-forwarded-port": r"\d{1,5}"}


class UnknownEvent(ValueError):
    """The event is neither a request nor the schedule's."""

    def __init__(self, event: Any) -> None:
        given = ", ".join(sorted(map(str, event))) if isinstance(event, dict) else type(event)
        super().__init__(
            f"neither a request of API Gateway, a load balancer or a function URL, nor the "
            f'schedule\'s ({{"tick": {{…}}}}, or a "Scheduled Event"): {given or "nothing"}'
        )


class TickFailed(Exception):
    """A job failed or could not start: Lambda shall send the schedule's event again."""


def is_http(event: Any) -> bool:
    """Return whether API Gateway (REST, HTTP), a load balancer or a function URL sent the event."""
    made_by = event.get("requestContext") if isinstance(event, dict) else None
    return isinstance(made_by, dict) and ("http" in made_by or "httpMethod" in event)


def without_stage(event: LambdaEvent) -> LambdaEvent:
    """Return an HTTP API's event without the stage's name at the start of its path.

    Format 2.0 has it there also behind a custom domain, whose address does not (a REST API never).
    """
    request = event["requestContext"]
    stage, http = request.get("stage"), request.get("http", {})
    path = http.get("path", "")
    if event.get("version") != "2.0" or not path.startswith(f"/{stage}/"):
        return event
    http = http | {"path": path.removeprefix(f"/{stage}")}
    return event | {"requestContext": request | {"http": http}}


def readable(event: LambdaEvent) -> LambdaEvent:
    """Return the event without headers that Mangum cannot parse, which any client can send.

    Mangum splits host and port, and fails for IPv6 addresses and ports that are not numbers.
    """
    headers = {"headers": event.get("headers") or {}}
    if "multiValueHeaders" in event:
        headers["multiValueHeaders"] = event["multiValueHeaders"] or {}
    return event | {
        kind: {name: value for name, value in found.items() if _is_readable(name, value)}
        for kind, found in headers.items()
    }


def _is_readable(name: str, value: str | list[str]) -> bool:
    pattern = _READABLE.get(name.lower())
    values = value if isinstance(value, list) else [value]
    return pattern is None or (len(values) == 1 and bool(re.fullmatch(pattern, values[0])))


def refusal(event: LambdaEvent, status: int) -> dict[str, Any]:
    """Return the answer to a request that cannot be served, in the format of its gateway."""
    detail = {400: "Bad Request", 500: "Internal Server Error"}[status]
    kind = "application/json"
    several = {"multiValueHeaders": {"content-type": [kind]}}
    return {
        "statusCode": status,
        "headers": {"content-type": kind},
        **(several if "multiValueHeaders" in event else {}),
        "body": json.dumps({"detail": detail}),
        "isBase64Encoded": False,
    }


class Schedule:
    """The schedule's event as a request for `POST /tick`.

    An HTTP request arrives inside an event with a `requestContext`: no header, path or body of a
    client can imitate this event. IAM decides which principals may send it.
    """

    @classmethod
    def infer(cls, event: LambdaEvent, context: LambdaContext, config: LambdaConfig) -> bool:
        return (
            isinstance(event, dict)
            and "requestContext" not in event
            and ("tick" in event or event.get("detail-type") == "Scheduled Event")
        )

    def __init__(self, event: LambdaEvent, context: LambdaContext, config: LambdaConfig) -> None:
        self._event = event
        self._context = context

    @property
    def body(self) -> bytes:
        """The body of `POST /tick`, which EventBridge Scheduler sends as `tick`."""
        asked = self._event.get("tick", {"scheduled_at": self._event.get("time")})
        return json.dumps(asked).encode()

    @property
    def scope(self) -> Scope:
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "https",
            "path": "/tick",
            "raw_path": b"/tick",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
            "server": ("schedule", 443),
            "client": ("schedule", 0),
            "aws.event": self._event,
            "aws.context": self._context,
            INTERNAL_REQUEST: True,
        }

    def __call__(self, response: Response) -> dict[str, Any]:
        """Return the report. Raises TickFailed, so that Lambda retries and keeps the event."""
        if response["status"] != 200:
            raise TickFailed(f"{response['status']}: {response['body'].decode()[:1_000]}")
        report: dict[str, Any] = json.loads(response["body"])
        return report


def client_of(scope: Scope) -> tuple[str, int]:
    """Return the client's address as the gateway saw it.

    A load balancer appends it to the client's own X-Forwarded-For.
    """
    return str(scope["client"][0]).rpartition(",")[2].strip(), 0
