"""The middleware that adds security headers."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=63072000"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]


# Answers depend on who asks; those that do not have an ETag.
_VARY = (b"vary", b"Authorization, Cookie")


class SecurityHeadersMiddleware:
    """Adds the default security headers that a route has not set."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"] = list(message["headers"])
                chosen = {name for name, _ in headers}
                # Static files have an ETag to revalidate by; other answers are never stored.
                cache = b"no-cache" if b"etag" in chosen else b"no-store"
                defaults = [*_HEADERS, (b"cache-control", cache)]
                headers.extend(header for header in defaults if header[0] not in chosen)
                if b"etag" not in chosen:
                    headers.append(_VARY)
            await send(message)

        await self.app(scope, receive, send_with_headers)
