"""Measurements for Prometheus, of one process or of all workers of a server."""

import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import accumulate
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Self

import structlog

from app.metrics.recorder import LOGIN_OUTCOMES, Recorder
from app.metrics.table import BYTES, WIDTH, Table, add_up
from app.metrics.workers import FOLDER_VARIABLE, read_slots, slot

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

log = structlog.get_logger()

# Seconds. GET /users/me takes less than one thousandth; a log-in as long as its hash is queued.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Of a row of requests: their seconds, then each bucket, and the requests that took longer.
assert 1 + len(BUCKETS) + 1 <= WIDTH

Rows = dict[tuple[str, ...], list[float]]


class PrometheusRecorder(Recorder):
    """Counts in a table, which the worker that is scraped adds to those of the others.

    prometheus_client would count too, in 12 µs a request instead of 2: it only writes the answer.
    """

    def __init__(self) -> None:
        """Share the table in the folder that FOLDER_VARIABLE names, if it does."""
        self._slot = ExitStack()
        self._folder: Path | None = None
        self._memory = bytearray(BYTES)
        buffer: bytearray | mmap = self._memory
        folder = os.environ.get(FOLDER_VARIABLE)
        if folder is not None:
            try:
                buffer = self._slot.enter_context(slot(Path(folder)))
                self._folder = Path(folder)
            except OSError as error:  # the disk is full
                log.error("metrics not shared between workers", folder=folder, error=str(error))
        self.is_shared = self._folder is not None
        self._table = Table(buffer)
        self._connections = self._table.row("connections")
        self._hashes = self._table.row("hashes")
        # At 0 from the start, so that rate() sees the first one.
        self._logins = {outcome: self._table.row("login", outcome) for outcome in LOGIN_OUTCOMES}
        self._requests: dict[tuple[str, str, int], memoryview[float]] = {}

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        key = (route, method, status)
        numbers = self._requests.get(key)
        if numbers is None:
            numbers = self._table.row("request", route, method, str(status))
            self._requests[key] = numbers
        numbers[0] += seconds
        numbers[1 + bisect_left(BUCKETS, seconds)] += 1

    def count_login(self, outcome: str) -> None:
        self._logins[outcome][0] += 1

    def set_connections(self, in_use: int, limit: int) -> None:
        self._connections[0], self._connections[1] = in_use, limit

    def set_hashes(self, pending: int, limit: int) -> None:
        self._hashes[0], self._hashes[1] = pending, limit

    def collect(self) -> Iterator["Metric"]:
        buffers = read_slots(self._folder) if self._folder is not None else [self._memory]
        rows = add_up(buffers)
        yield from _request_families(rows)
        yield _login_family(rows)
        yield from _resource_families(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.set_connections(0, 0)
        self.set_hashes(0, 0)
        self._slot.close()


def _request_families(rows: Rows) -> Iterable["Metric"]:
    from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily

    total = CounterMetricFamily(
        "keystead_http_requests",
        "HTTP requests, by route template, method and status",
        labels=["route", "method", "status"],
    )
    seconds = HistogramMetricFamily(
        "keystead_http_request_duration_seconds",
        "Time from the head of an HTTP request to the end of its answer",
        labels=["route", "method"],
        unit="seconds",
    )
    durations: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0] * WIDTH)
    for (kind, *labels), numbers in rows.items():
        if kind == "request":
            route, method, _ = labels
            total.add_metric(labels, sum(numbers[1:]))
            so_far = durations[route, method]
            durations[route, method] = [a + b for a, b in zip(so_far, numbers, strict=True)]
    bounds = [*map(str, BUCKETS), "+Inf"]
    for (route, method), numbers in durations.items():
        buckets = list(zip(bounds, accumulate(numbers[1 : 1 + len(bounds)]), strict=True))
        seconds.add_metric([route, method], buckets, numbers[0])
    return total, seconds


def _login_family(rows: Rows) -> "Metric":
    from prometheus_client.metrics_core import CounterMetricFamily

    logins = CounterMetricFamily("keystead_logins", "Log-ins, by outcome", labels=["outcome"])
    for outcome in LOGIN_OUTCOMES:
        logins.add_metric([outcome], rows["login", outcome][0])
    return logins


def _resource_families(rows: Rows) -> Iterator["Metric"]:
    from prometheus_client.metrics_core import GaugeMetricFamily

    for key, place, name, documentation in (
        (
            "connections",
            0,
            "keystead_database_connections_in_use",
            "Database connections that a request or a job holds",
        ),
        (
            "connections",
            1,
            "keystead_database_connections_limit",
            "The most database connections: KEYSTEAD_DATABASE_CONNECTIONS of each worker",
        ),
        (
            "hashes",
            0,
            "keystead_password_hashes_pending",
            "Password hashes that run or are queued",
        ),
        (
            "hashes",
            1,
            "keystead_password_hashes_limit",
            "The most pending password hashes; beyond it, log-ins are refused",
        ),
    ):
        yield GaugeMetricFamily(name, documentation, value=rows[(key,)][place])
