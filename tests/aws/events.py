"""The events that AWS makes of requests, and the responses that it makes of results."""

import base64
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

# Types that gateways forward as text; others are base64.
_TEXT = ("text/", "application/json", "application/xml", "application/javascript")


@dataclass(frozen=True)
class Request:
    """A client's request, and the address that the gateway saw."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    client: str = "192.0.2.7"

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def named(self) -> dict[str, list[str]]:
        """The headers by name in lower case, without empty ones."""
        found: dict[str, list[str]] = defaultdict(list)
        for name, value in self.headers:
            found[name.lower()].append(value)
        return found


@dataclass(frozen=True)
class Response:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def http_api(request: Request) -> dict[str, Any]:
    """API Gateway's HTTP API, payload format 2.0."""
    headers = {name: ",".join(values) for name, values in request.named.items()}
    cookies = [each for value in request.all("cookie") for each in value.split("; ")]
    headers.pop("cookie", None)
    path = unquote(request.path)
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": {"x-forwarded-proto": "https", **headers},
        **({"cookies": cookies} if cookies else {}),
        "requestContext": {
            "apiId": "k",
            "stage": "$default",
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.client,
                "userAgent": headers.get("user-agent", ""),
            },
        },
        **_body(request),
    }


def function_url(request: Request) -> dict[str, Any]:
    """A function URL: as an HTTP API."""
    event = http_api(request)
    event["requestContext"]["domainName"] = "k.lambda-url.eu-central-1.on.aws"
    event["requestContext"]["apiId"] = "k"
    return event


def rest_api(request: Request) -> dict[str, Any]:
    """API Gateway's REST API, payload format 1.0."""
    query = _query(request)
    return {
        "resource": "/{proxy+}",
        "path": unquote(request.path),
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in request.named.items()},
        "multiValueHeaders": dict(request.named),
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": {
            "stage": "prod",
            "path": f"/prod{request.path}",
            "httpMethod": request.method,
            "identity": {"sourceIp": request.client},
        },
        **_body(request),
    }


def load_balancer(request: Request) -> dict[str, Any]:
    """An application load balancer, with multi-value headers."""
    headers = dict(request.named)
    # The load balancer appends the address that it saw.
    seen = ", ".join([*request.all("x-forwarded-for"), request.client])
    headers |= {"x-forwarded-for": [seen], "x-forwarded-proto": ["https"]}
    query: dict[str, list[str]] = defaultdict(list)
    # Not decoded.
    for pair in filter(None, request.query.split("&")):
        name, _, value = pair.partition("=")
        query[name].append(value)
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:…"}},
        "httpMethod": request.method,
        "path": request.path,
        "multiValueQueryStringParameters": query,
        "multiValueHeaders": headers,
        **_body(request),
    }


KINDS: dict[str, Callable[[Request], dict[str, Any]]] = {
    "http-api": http_api,
    "rest-api": rest_api,
    "load-balancer": load_balancer,
    "function-url": function_url,
}


def response(answer: dict[str, Any]) -> Response:
    """Return the client's response for the function's result."""
    headers = list((answer.get("headers") or {}).items())
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers = [header for header in headers if header[0] != name]
        headers += [(name, value) for value in values]
    headers += [("set-cookie", cookie) for cookie in answer.get("cookies") or []]
    body = (answer.get("body") or "").encode()
    if answer.get("isBase64Encoded"):
        body = base64.b64decode(body)
    return Response(answer["statusCode"], headers, body)


def _query(request: Request) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        found[name].append(value)
    return found


def _body(request: Request) -> dict[str, Any]:
    if not request.body:
        return {"isBase64Encoded": False}
    kind = next(iter(request.all("content-type")), "")
    try:
        text = request.body.decode() if kind.startswith(_TEXT) else None
    except UnicodeDecodeError:
        text = None
    if text is not None:
        return {"body": text, "isBase64Encoded": False}
    return {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}
