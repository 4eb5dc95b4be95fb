"""The middleware that takes the path of the public address off a request's path."""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.route_templates import note_route


class BasePathMiddleware:
    """Routes a request below `prefix`, which a proxy may strip from the path or leave in it.

    `prefix`: decoded, with a slash at its start and none at its end. As `root_path` it is part of
    every URL that Starlette makes for a route.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        below = {**scope, "root_path": self.prefix, "path": self._whole(scope["path"])}
        try:
            await self.app(below, receive, send)
        finally:
            note_route(scope, below)

    def _whole(self, path: str) -> str:
        """Return the path with the prefix, as the ASGI specification has it."""
        if path == self.prefix:
            return f"{path}/"
        return path if path.startswith(f"{self.prefix}/") else self.prefix + path
