"""The middleware that answers HEAD."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.route_templates import note_route


class HeadMiddleware:
    """Answers HEAD as GET without the body (RFC 9110, section 9.3.2), which FastAPI does not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # The server's own scope is left as it is: it sends no body by it.
        as_get = {**scope, "method": "GET"}
        try:
            await self.app(as_get, receive, send_without_body)
        finally:
            note_route(scope, as_get)
