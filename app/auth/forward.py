"""`GET /auth/forward`: authenticates requests to other applications, for the proxy before them.

nginx's `auth_request`, Traefik's ForwardAuth and Caddy's `forward_auth` ask before each request.
"""

from string import punctuation
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response

from app.auth.csrf import SAFE_METHODS
from app.auth.guard import Guard
from app.auth.principal import Principal
from app.http.answers import CSRF_FAILED, UNAUTHORIZED
from app.http.request_log import FIELDS

_PLAIN = punctuation.replace("%", "")
# As docs/services.md configures nginx, and as Traefik and Caddy name them.
_ORIGINAL_METHOD = ("X-Original-Method", "X-Forwarded-Method")
_ORIGINAL_URI = ("X-Original-URI", "X-Forwarded-Uri")
_LOGGED = 2_000  # characters of each

_HEADERS = {
    "X-Auth-User-Id": "The account's id.",
    "X-Auth-User-Email": "Its address, with `%` and all beyond ASCII percent-encoded (UTF-8).",
    "X-Auth-Superuser": "`true` or `false`.",
}
_AUTHENTICATED: dict[str, Any] = {
    "description": "The headers name the account.",
    "headers": {
        name: {"description": description, "schema": {"type": "string"}}
        for name, description in _HEADERS.items()
    },
}


async def log_original_request(request: Request) -> None:
    """Add the method and path that the proxy was asked for to the log entry of this request.

    Without the query, which may hold tokens.
    """
    method, uri = _header(request, _ORIGINAL_METHOD), _header(request, _ORIGINAL_URI)
    if uri is not None:
        uri = uri.partition("?")[0]
    getattr(request.state, FIELDS).update(original_method=method, original_path=uri)


def original_method(request: Request) -> str:
    """Return the method that the proxy was asked for, as it is protected like our own routes.

    An unsafe one if the headers name several: a client can send the one that its proxy does not. A
    WebSocket's handshake is a CONNECT, as in HTTP/2 (RFC 8441): its GET opens a way to write.
    """
    if "Sec-WebSocket-Version" in request.headers:
        return "CONNECT"
    named = [one for name in _ORIGINAL_METHOD for one in request.headers.getlist(name)]
    methods = named or [request.method]
    return next((one for one in methods if one.upper() not in SAFE_METHODS), methods[0])


def _header(request: Request, names: tuple[str, ...]) -> str | None:
    """Return the beginning of the first of the headers that the request has."""
    found = next((request.headers[name] for name in names if name in request.headers), None)
    return found[:_LOGGED] if found is not None else None


def forward_router(guard: Guard) -> APIRouter:
    """Return the route; `guard` authenticates the request that the proxy was sent."""
    router = APIRouter(tags=["auth"])

    @router.get(
        "/forward",
        name="auth:forward",
        summary="Authenticate a request for a proxy",
        response_class=Response,
        responses={200: _AUTHENTICATED, 401: UNAUTHORIZED, 403: CSRF_FAILED},
        dependencies=[Depends(log_original_request)],
    )
    async def forward(principal: Annotated[Principal, Depends(guard)]) -> Response:
        """Answer 200 and the account's headers, for the proxy to pass on to the application."""
        user = principal.user
        return Response(
            headers={
                "X-Auth-User-Id": str(user.id),
                "X-Auth-User-Email": quote(user.email, safe=_PLAIN),
                "X-Auth-Superuser": "true" if user.is_superuser else "false",
            }
        )

    return router
