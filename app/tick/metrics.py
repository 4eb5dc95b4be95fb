"""`GET /metrics`: the jobs for Prometheus (OpenMetrics 1.0).

Read from the database: one process sees only a part, and on Lambda it forgets.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from app.http.answers import NO_TOKEN_SET, WRONG_TOKEN
from app.http.dependencies import SessionDep
from app.tick import runs
from app.tick.dependencies import RunnerDep
from app.tick.runs import JobStatus

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

router = APIRouter(tags=["tick"])

_TEXT = {"schema": {"type": "string"}}


@router.get(
    "/metrics",
    name="tick:metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        # In this order: generators take the first.
        200: {"content": {"text/plain": _TEXT, "application/openmetrics-text": _TEXT}},
        401: WRONG_TOKEN,
        404: NO_TOKEN_SET,
    },
)
async def get_metrics(request: Request, runner: RunnerDep, session: SessionDep) -> Response:
    """Lag, duration, attempts, and the counts of done, lost, replayed and given-up runs.

    In Prometheus' text format, or as OpenMetrics if the header Accept names it.
    """
    # Imported by scrapes alone: it takes 50 ms.
    from prometheus_client import CollectorRegistry, exposition
    from prometheus_client.openmetrics import exposition as openmetrics
    from prometheus_client.registry import Collector

    found = await runs.statuses(session, runner)

    class Jobs(Collector):
        def collect(self) -> Iterator["Metric"]:
            return _families(found)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Jobs())
    if "application/openmetrics-text" in request.headers.get("Accept", ""):
        content = openmetrics.generate_latest(registry)
        return Response(content, media_type=openmetrics.CONTENT_TYPE_LATEST)
    content = exposition.generate_latest(registry)
    return Response(content, media_type=exposition.CONTENT_TYPE_PLAIN_0_0_4)


def _families(found: list[JobStatus]) -> Iterator["Metric"]:
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        SummaryMetricFamily,
    )

    lag = GaugeMetricFamily(
        "keystead_tick_lag_seconds",
        "For how long the oldest occurrence that was not dealt with has been due",
        labels=["job"],
        unit="seconds",
    )
    attempts = GaugeMetricFamily(
        "keystead_tick_attempts", "Tries since the last success", labels=["job"]
    )
    dead = GaugeMetricFamily(
        "keystead_tick_dead", "Occurrences that were given up, of the runs kept", labels=["job"]
    )
    runs_total = CounterMetricFamily(
        "keystead_tick_runs", "Tries and deliveries, by outcome", labels=["job", "outcome"]
    )
    seconds = SummaryMetricFamily(
        "keystead_tick_duration_seconds",
        "Duration of tries, done or failed",
        labels=["job"],
        unit="seconds",
    )
    for status in found:
        lag.add_metric([status.job], status.lag)
        attempts.add_metric([status.job], status.attempts)
        dead.add_metric([status.job], status.dead)
        for outcome in ("done", "failed", "given_up", "lost", "replayed"):
            runs_total.add_metric([status.job, outcome], getattr(status, outcome))
        tries = status.done + status.failed
        seconds.add_metric([status.job], count_value=tries, sum_value=status.worked_ms / 1_000)
    yield from (lag, attempts, dead, runs_total, seconds)
