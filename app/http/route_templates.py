"""The template of the route that a request reached, such as `/users/{id}`."""

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Mount
from starlette.types import Scope

from app.metrics.recorder import UNROUTED


class RouteTemplates:
    """The templates of the routes of one application: as few as its routes, unlike paths."""

    def __init__(self) -> None:
        self._templates: dict[int, str] = {}

    def find(self, scope: Scope) -> str:
        """Return the template of the route that routing has noted in `scope`, or UNROUTED."""
        # FastAPI notes its own routes; of others, Starlette notes the function or application.
        reached = scope.get("route") or scope.get("endpoint")
        if reached is None:
            return UNROUTED
        if not self._templates:
            # A route of an included router does not know its prefix.
            for known in iter_route_contexts(scope["app"].routes):
                for one in (known.original_route, _called(known.original_route)):
                    self._templates[id(one)] = known.path_format or UNROUTED
        return self._templates.get(id(reached), UNROUTED)


def note_route(scope: Scope, routed: Scope) -> None:
    """Copy the route that routing has noted in `routed`, a copy of `scope`, to `scope`."""
    for noted in ("route", "endpoint"):
        scope[noted] = routed.get(noted)


def _called(route: BaseRoute) -> object:
    return route.app if isinstance(route, Mount) else getattr(route, "endpoint", None)
