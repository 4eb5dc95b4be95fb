"""`GET /metrics`, by the conventions of Prometheus, of a server that works, is full, or is alone.

https://prometheus.io/docs/practices/naming/ and the OpenMetrics specification, 1.0.
"""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.databases import in_database
from tests.databases.server import free_port
from tests.metrics.samples import families, requests, value
from tests.service import METRICS_TOKEN, TICK_TOKEN, Service, bearer, in_process

pytestmark = pytest.mark.only("sqlite")

# Prometheus sets these itself, or gives them a meaning.
RESERVED = {"job", "instance", "le", "quantile"}
BASE_UNITS = re.compile(r"_(milliseconds|ms|minutes|hours|kib|mib|percent)(_|$)")
TYPES = {"counter", "gauge", "histogram", "summary", "info"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with in_process(tmp_path_factory.mktemp("metrics"), require_verified="true") as running:
        yield running


def test_names_types_units_and_labels_follow_the_conventions(service: Service) -> None:
    person = service.register()
    service.try_login(person.email, person.password)
    service.client.post("/tick", headers=bearer(TICK_TOKEN))
    found = families(service)
    assert len(found) >= 18
    for name, family in found.items():
        assert re.fullmatch(r"keystead_[a-z_]+", name)
        assert family.type in TYPES, name
        assert len(family.documentation) > 10, name
        assert ("_seconds" in name) == (family.unit == "seconds"), name
        assert not BASE_UNITS.search(name), name
        assert not name.endswith("_total"), name  # of its samples alone, if it is a counter
        assert family.samples, name
        for sample in family.samples:
            generated = {"le"} if sample.name.endswith("_bucket") else set()
            assert not (set(sample.labels) - generated) & RESERVED, sample
            assert not sample.name.endswith("_created"), sample


def test_a_client_without_openmetrics_gets_the_text_format(service: Service) -> None:
    headers = bearer(METRICS_TOKEN)
    both = {
        "*/*": "text/plain; version=0.0.4",
        "application/openmetrics-text": "application/openmetrics-text; version=1.0.0",
        "text/plain": "text/plain; version=0.0.4",
        # What Prometheus 3 sends.
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.1": "application/openmetrics-text; version=1.0.0",
    }
    for accept, kind in both.items():
        answer = service.client.get("/metrics", headers=headers | {"Accept": accept})
        assert answer.headers["content-type"].startswith(kind)
    answer = service.client.get("/metrics", headers=headers | {"Accept": "text/plain"})
    types = {family.name: family.type for family in text_string_to_metric_families(answer.text)}
    assert types["keystead_http_requests"] == "counter"
    assert types["keystead_http_request_duration_seconds"] == "histogram"


def test_requests_are_counted_by_template_and_no_client_makes_a_series(service: Service) -> None:
    before = requests(families(service))
    client = service.client
    for n in range(3):
        client.get(f"/users/01a2041d-06b3-727a-8645-494f6799080{n}")
        client.get(f"/nowhere/{n}")
        client.get(f"/static/{n}.css")
        client.request(f"HOSTILE{n}", "/users/me")
        client.request(f"HOSTILE{n}", f"/nowhere/{n}")
        client.post("/auth/register", content=b"x" * 70_000)
    client.get("/openapi.json")
    client.get("/admin/ticks/count")
    after = requests(families(service))
    new = {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key)}
    assert new == {
        ("/users/{id}", "GET", "401"): 3,
        ("unrouted", "GET", "404"): 3,
        ("/static/{path}", "GET", "404"): 3,
        ("/users/me", "other", "405"): 3,
        ("unrouted", "other", "404"): 3,
        ("unrouted", "POST", "413"): 3,
        ("/openapi.json", "GET", "200"): 1,
        ("/admin/ticks/{job}", "GET", "401"): 1,
        ("/metrics", "GET", "200"): 1,
    }


def test_the_duration_is_a_histogram_by_template_and_method(service: Service) -> None:
    name = "keystead_http_request_duration_seconds"
    labels = {"route": "/health/live", "method": "GET"}
    before = families(service)
    for _ in range(5):
        service.client.get("/health/live")
    after = families(service)

    def added(suffix: str, **more: str) -> float:
        return value(after, name + suffix, **labels, **more) - value(
            before, name + suffix, **labels, **more
        )

    assert added("_count") == added("_bucket", le="+Inf") == 5
    assert added("_bucket", le="0.001") <= added("_bucket", le="10.0")
    assert 0 < added("_sum") < 60


def test_logins_are_counted_by_outcome(service: Service) -> None:
    before = families(service)
    assert value(before, "keystead_logins_total", outcome="busy") == 0
    person = service.register()
    service.try_login(person.email, person.password)
    service.try_login(person.email, "wrong")
    service.try_login("nobody@camelot.bt", "wrong")
    service.client.post("/auth/verify", json={"token": service.token(person.email)})
    service.login(person)
    service.client.post("/auth/jwt/login", json={})  # no log-in: 422
    after = families(service)
    name = "keystead_logins_total"
    outcomes = {sample.labels["outcome"] for sample in after["keystead_logins"].samples}
    assert {
        outcome: value(after, name, outcome=outcome) - value(before, name, outcome=outcome)
        for outcome in outcomes
    } == {"success": 1, "bad_credentials": 2, "not_verified": 1, "busy": 0}


def test_mail_that_cannot_be_sent_is_counted_with_its_age(tmp_path: Path) -> None:
    nowhere = f"smtp://127.0.0.1:{free_port()}"
    with in_process(tmp_path, mail_url=nowhere) as service:
        assert value(families(service), "keystead_outbox_oldest_seconds") == 0
        service.register()
        service.register()
        time.sleep(0.1)
        found = families(service)
        assert value(found, "keystead_outbox_messages", state="waiting") == 2
        assert 0.1 <= value(found, "keystead_outbox_oldest_seconds") < 60
        in_database(tmp_path, "UPDATE mail_message SET state = 'dead'")
        found = families(service)
        assert value(found, "keystead_outbox_messages", state="dead") == 2
        assert value(found, "keystead_outbox_messages", state="waiting") == 0
        assert value(found, "keystead_outbox_oldest_seconds") == 0


def test_a_job_that_is_ahead_is_seen(tmp_path: Path) -> None:
    with in_process(tmp_path, tick_seconds="0") as service:
        service.command("tick")
        assert value(families(service), "keystead_tick_ahead") == 0
        ahead = "UPDATE tick_job SET done_through = done_through + 999999 WHERE name = 'mail'"
        in_database(tmp_path, ahead)
        found = families(service)
        assert value(found, "keystead_tick_ahead", name="mail") == 1
        assert value(found, "keystead_tick_ahead") == 1
        assert value(found, "keystead_tick_period_seconds", name="purge") == 3_600


def test_a_full_pool_is_measured_and_scraped(tmp_path: Path) -> None:
    """Requests wait for a connection for half a minute; a scrape has one of its own."""
    with in_process(tmp_path, database_connections="3") as service, ExitStack() as stack:
        assert isinstance(service.client, TestClient)
        portal = service.client.portal
        assert portal is not None
        database = service.client.app_state["resources"].database
        for _ in range(3):
            transaction = portal.wrap_async_context_manager(database.transaction())
            portal.call(stack.enter_context(transaction).connection)
        begun = time.monotonic()
        found = families(service)
        assert time.monotonic() - begun < 5
        assert value(found, "keystead_database_connections_in_use") == 3
        assert value(found, "keystead_database_connections_limit") == 3
        assert value(found, "keystead_database_up") == 1


def test_without_its_database_a_server_reports_what_it_measures(tmp_path: Path) -> None:
    with in_process(tmp_path) as service:
        service.client.get("/users/me")
        in_database(tmp_path, "ALTER TABLE mail_message RENAME TO gone")
        found = families(service)
        assert value(found, "keystead_database_up") == 0
        assert requests(found)["/users/me", "GET", "401"] == 1
        assert "keystead_outbox_messages" not in found
        in_database(tmp_path, "ALTER TABLE gone RENAME TO mail_message")
        assert value(families(service), "keystead_database_up") == 1
