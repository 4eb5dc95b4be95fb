"""The outbox for Prometheus.

Read from the database, which all processes share. Imported by scrapes alone: prometheus_client
takes 50 ms.
"""

from collections.abc import Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from app.mail.outbox import Backlog


def outbox_families(backlog: Backlog) -> Iterator[Metric]:
    """Yield the number of messages that are not sent, and the age of the oldest that waits."""
    messages = GaugeMetricFamily(
        "keystead_outbox_messages",
        "Messages that wait for their delivery, and of the last month those that were given up",
        labels=["state"],
    )
    messages.add_metric(["waiting"], backlog.waiting)
    messages.add_metric(["dead"], backlog.dead)
    yield messages
    yield GaugeMetricFamily(
        "keystead_outbox_oldest_seconds",
        "Age of the oldest message that waits for its delivery; 0 without one",
        value=backlog.oldest,
        unit="seconds",
    )
