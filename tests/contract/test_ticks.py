"""The jobs' status for superusers and Prometheus."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.service import JOB_NAMES, METRICS_TOKEN, TICK_TOKEN, Service, bearer


def tick(service: Service, **body: Any) -> None:
    for _ in range(100):
        answer = service.client.post("/tick", json=body, headers=bearer(TICK_TOKEN))
        if answer.status_code != 409:  # the local loop is running it
            break
        time.sleep(0.1)
    assert answer.status_code == 200, answer.text


def samples(service: Service) -> dict[tuple[str, ...], float]:
    # As Prometheus asks.
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"
    headers = {"Accept": accept, **bearer(METRICS_TOKEN)}
    answer = service.client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_the_status_of_the_jobs(service: Service, admin: dict[str, str]) -> None:
    tick(service, job="count")
    items = service.client.get("/admin/ticks", headers=admin).json()["items"]
    assert [item["job"] for item in items] == JOB_NAMES
    count = items[JOB_NAMES.index("count")]
    assert set(count) == {
        *("job", "every", "catch_up", "state", "lag", "late", "attempts", "next", "dead", "last"),
        *("done", "failed", "given_up", "lost", "replayed", "worked_ms"),
    }
    assert (count["every"], count["catch_up"], count["late"]) == (service.period, "all", False)
    assert count["lag"] < 10
    assert count["last"]["state"] == "done"
    assert datetime.fromisoformat(count["next"]) - datetime.now(UTC) < timedelta(seconds=21)


def test_the_history_of_a_job_in_pages(service: Service, admin: dict[str, str]) -> None:
    now = datetime.now(UTC)
    for seconds in (0, service.period):
        at = now + timedelta(seconds=seconds)
        tick(service, job="count", scheduled_at=at.isoformat())

    def page(**query: Any) -> Any:
        answer = service.client.get("/admin/ticks/count", headers=admin, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    whole = page(limit=100)
    times = [item["scheduled_at"] for item in whole["items"]]
    assert times == sorted(times, reverse=True)
    assert len(times) >= 2
    assert whole["next"] is None
    first = page(limit=1)
    assert [item["scheduled_at"] for item in first["items"]] == times[:1]
    second = page(limit=1, before=first["next"])
    assert [item["scheduled_at"] for item in second["items"]] == times[1:2]
    assert page(dead=True)["items"] == []
    assert page(before="0001-01-01T00:00:00+14:00")["items"] == []
    assert page(before="9999-12-31T23:59:59.999999-12:00", limit=1)["items"] != []


@pytest.mark.parametrize("path", ["/admin/ticks", "/admin/ticks/count"])
def test_status_and_history_are_for_superusers(
    service: Service, headers: dict[str, str], path: str
) -> None:
    assert service.client.get(path).status_code == 401
    assert service.client.get(path, headers=headers).status_code == 403
    assert service.client.get(path, headers=bearer(METRICS_TOKEN)).status_code == 401


def test_an_unknown_job(service: Service, admin: dict[str, str]) -> None:
    def code(path: str) -> int:
        return service.client.get(f"/admin/ticks/{path}", headers=admin).status_code

    assert {code(path) for path in ("conquer", "COUNT", "%00")} == {404}
    assert code("count?limit=0") == 422
    assert code("count?before=2026-01-01T00:00:00") == 422  # without an offset


def test_metrics_count(service: Service) -> None:
    tick(service, job="count")
    before = samples(service)
    at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    tick(service, job="count")
    tick(service, job="count")
    tick(service, job="count", scheduled_at=at)
    after = samples(service)
    replayed = ("keystead_tick_runs_total", "count", "replayed")
    assert after[replayed] > before[replayed]
    assert after["keystead_tick_lag_seconds", "count"] < 60
    assert after["keystead_tick_attempts", "count"] == 0
    assert after["keystead_tick_dead", "count"] == 0
    done = after["keystead_tick_runs_total", "count", "done"]
    assert after["keystead_tick_duration_seconds_count", "count"] == done > 0
    assert 0 < after["keystead_tick_duration_seconds_sum", "count"] < 60


def test_metrics_are_plain_text_by_default(service: Service) -> None:
    answer = service.client.get("/metrics", headers=bearer(METRICS_TOKEN))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name for family in parse_text(answer.text)}
    assert "keystead_tick_lag_seconds" in families


@pytest.mark.parametrize("headers", [{}, bearer("wrong"), bearer(TICK_TOKEN)])
def test_metrics_need_their_token(service: Service, headers: dict[str, str]) -> None:
    answer = service.client.get("/metrics", headers=headers)
    assert answer.status_code == 401
    wrong = ' error="invalid_token", error_description="The token is wrong"'
    assert answer.headers["www-authenticate"] == f"Bearer{wrong * bool(headers)}"


def test_without_a_token_there_are_no_metrics(strict_service: Service) -> None:
    answer = strict_service.client.get("/metrics", headers=bearer(METRICS_TOKEN))
    assert answer.status_code == 404
