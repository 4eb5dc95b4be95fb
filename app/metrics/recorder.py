"""The measurements of requests and log-ins, and their names."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

# A client may send any method: each other one would be a time series of its own.
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
OTHER_METHOD = "other"
UNROUTED = "unrouted"
"""The route of requests that reached none: no path matched, or the body was refused before."""

LOGIN_OUTCOMES = ("success", "bad_credentials", "not_verified", "busy")


class Recorder:
    """Takes the measurements of one process. This one keeps none: nothing can ask for them."""

    is_shared = False
    """Whether another process answers for this one: it samples itself each second."""

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request. `route`: its template, or UNROUTED; `method`: of `bounded_method`."""

    def count_login(self, outcome: str) -> None:
        """Count a log-in. `outcome`: one of LOGIN_OUTCOMES."""

    def set_connections(self, in_use: int, limit: int) -> None:
        """Note the connections of the pool in use now, and the most there can be."""

    def set_hashes(self, pending: int, limit: int) -> None:
        """Note the password hashes that run or are queued now, and the most there can be."""

    def collect(self) -> Iterable["Metric"]:
        """Return the families of the whole server, for Prometheus."""
        return ()


def bounded_method(method: str) -> str:
    """Return the request method, or OTHER_METHOD for one that no route has."""
    return method if method in _METHODS else OTHER_METHOD
