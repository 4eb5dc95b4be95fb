"""The samples of `GET /metrics`, parsed by Prometheus' own client."""

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.service import METRICS_TOKEN, Service, bearer


def families(service: Service) -> dict[str, Metric]:
    """Scrape, and return the families by name."""
    headers = bearer(METRICS_TOKEN) | {"Accept": "application/openmetrics-text"}
    answer = service.client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(found: dict[str, Metric], name: str, /, **labels: str) -> float:
    """Return the sum of the samples of `name` that have `labels`; 0 without one."""
    return sum(
        sample.value
        for family in found.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def requests(found: dict[str, Metric]) -> dict[tuple[str, str, str], float]:
    """Return the number of requests by route, method and status."""
    return {
        (sample.labels["route"], sample.labels["method"], sample.labels["status"]): sample.value
        for sample in found["keystead_http_requests"].samples
    }
