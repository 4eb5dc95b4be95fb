"""The jobs for Prometheus.

Read from the database, which all processes share. Imported by scrapes alone: prometheus_client
takes 50 ms.
"""

from collections.abc import Iterator

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from app.tick.runs import JobStatus

# Prometheus sets a label `job` itself, and renames ours to `exported_job`.
_NAME = ["name"]

_TEXT = {"schema": {"type": "string"}}


def job_families(statuses: list[JobStatus]) -> Iterator[Metric]:
    """Yield lag, tries, dead occurrences, outcomes and duration of each job."""
    lag = GaugeMetricFamily(
        "keystead_tick_lag_seconds",
        "For how long the oldest occurrence that was not dealt with has been due",
        labels=_NAME,
        unit="seconds",
    )
    period = GaugeMetricFamily(
        "keystead_tick_period_seconds",
        "Time between two occurrences",
        labels=_NAME,
        unit="seconds",
    )
    is_ahead = GaugeMetricFamily(
        "keystead_tick_ahead",
        "1 if the job does not run, because a clock that was ahead finished occurrences of the "
        "future: keystead tick reset",
        labels=_NAME,
    )
    attempts = GaugeMetricFamily(
        "keystead_tick_attempts", "Tries since the last success", labels=_NAME
    )
    dead = GaugeMetricFamily(
        "keystead_tick_dead", "Occurrences that were given up, of the runs kept", labels=_NAME
    )
    runs_total = CounterMetricFamily(
        "keystead_tick_runs", "Tries and deliveries, by outcome", labels=[*_NAME, "outcome"]
    )
    seconds = SummaryMetricFamily(
        "keystead_tick_duration_seconds",
        "Duration of tries, done or failed",
        labels=_NAME,
        unit="seconds",
    )
    for status in statuses:
        name = [status.job]
        lag.add_metric(name, status.lag)
        period.add_metric(name, status.every)
        is_ahead.add_metric(name, status.state == "ahead")
        attempts.add_metric(name, status.attempts)
        dead.add_metric(name, status.dead)
        for outcome in ("done", "failed", "given_up", "lost", "replayed"):
            runs_total.add_metric([*name, outcome], getattr(status, outcome))
        tries = status.done + status.failed
        seconds.add_metric(name, count_value=tries, sum_value=status.worked_ms / 1_000)
    yield from (lag, period, is_ahead, attempts, dead, runs_total, seconds)
