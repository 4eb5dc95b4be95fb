"""The schedule's event: trusted because of its sender's rights, and raised when it fails."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from app.http.bearer import INTERNAL_REQUEST
from tests.aws.emulator import Emulator, FunctionError
from tests.aws.events import KINDS, Request, response
from tests.aws.service import the_artifact
from tests.databases import in_database
from tests.service import JOB_NAMES, make_environment


@pytest.fixture
def sandbox(desk: Path) -> Iterator[Emulator]:
    """A function without a token for `POST /tick`, as the template deploys it."""
    environment = make_environment(desk, tick_token="", tick_seconds="60")
    with Emulator(the_artifact(), environment, desk / "sandbox") as emulator:
        yield emulator


def successes(sandbox: Emulator) -> int:
    return sandbox.log.read_text().count('"TickSuccess": 1')


def test_an_event_sent_again_runs_no_occurrence_twice(sandbox: Emulator, desk: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    event = {"tick": {"scheduled_at": now.isoformat()}}
    first = sandbox.invoke(event)["jobs"]
    again = sandbox.invoke(event)["jobs"]
    assert [job["job"] for job in first] == JOB_NAMES
    assert {job["status"] for job in first} == {"done"}
    assert {job["status"] for job in again} == {"replayed"}
    assert [job["result"] for job in again] == [job["result"] for job in first]
    assert successes(sandbox) == 2
    assert {row[0] for row in in_database(desk, "SELECT tick_run.trigger FROM tick_run")} == {
        "schedule"
    }


@pytest.mark.parametrize("source", ["aws.events", "aws.scheduler"])
def test_a_rules_scheduled_event(sandbox: Emulator, source: str) -> None:
    at = (datetime.now(UTC) - timedelta(days=365)).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "version": "0",
        "id": "89d1a02d-5ec7-412e-82f5-13505f849b41",
        "detail-type": "Scheduled Event",
        "source": source,
        "account": "123456789012",
        "time": at,
        "region": "eu-central-1",
        "resources": ["arn:aws:events:eu-central-1:123456789012:rule/k"],
        "detail": {},
    }
    jobs = sandbox.invoke(event)["jobs"]
    assert all(at >= job["occurrence"] for job in jobs)
    assert {job["status"] for job in jobs} == {"done"}


def test_one_job_by_hand(sandbox: Emulator) -> None:
    [job] = sandbox.invoke({"tick": {"job": "count"}})["jobs"]
    assert (job["job"], job["status"]) == ("count", "done")


@pytest.mark.parametrize(
    ("tick", "said"),
    [
        ({"scheduled_at": "yesterday"}, "400: .*TICK_BAD_TIME"),
        ({"scheduled_at": "<aws.scheduler.scheduled-time>"}, "400: .*TICK_BAD_TIME"),
        ({"job": "conquer"}, "400: .*TICK_UNKNOWN_JOB"),
        ({"jobb": "count"}, "422: "),
        ([], "422: "),
        ("now", "422: "),
    ],
)
def test_an_invalid_event_raises(sandbox: Emulator, tick: Any, said: str) -> None:
    with pytest.raises(FunctionError, match=said) as raised:
        sandbox.invoke({"tick": tick})
    assert raised.value.kind == "TickFailed"
    assert successes(sandbox) == 0


def test_a_failed_job_raises_and_is_retried(sandbox: Emulator, desk: Path) -> None:
    in_database(desk, "ALTER TABLE tick_counter RENAME TO hidden")
    event = {"tick": {"scheduled_at": datetime.now(UTC).isoformat()}}
    with pytest.raises(FunctionError, match="500: ") as raised:
        sandbox.invoke(event)
    assert raised.value.kind == "TickFailed"
    assert successes(sandbox) == 0
    in_database(desk, "ALTER TABLE hidden RENAME TO tick_counter")
    in_database(desk, "UPDATE tick_job SET lease_until = '2001-01-01 00:00:00'")
    again = {job["job"]: job["status"] for job in sandbox.invoke(event)["jobs"]}
    assert again == {"count": "done", "mail": "replayed", "purge": "replayed"}
    assert successes(sandbox) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_no_http_request_is_taken_for_the_schedule(
    sandbox: Emulator, desk: Path, kind: str
) -> None:
    event = {"tick": {}, "detail-type": "Scheduled Event", "source": "aws.scheduler"}
    bodies = [json.dumps(body).encode() for body in ({}, {**event, INTERNAL_REQUEST: True})]
    headers = (
        ("Content-Type", "application/json"),
        *(("Authorization", value) for value in ("Bearer ", f"Bearer {INTERNAL_REQUEST}")),
        ("X-Amz-Invocation-Type", "Event"),
        ("Lambda-Runtime-Aws-Request-Id", "x"),
        (INTERNAL_REQUEST, "true"),
        ("User-Agent", "Amazon-EventBridge/Scheduler"),
        ("Host", "schedule"),
    )
    for path in ("/tick", "//tick", "/tick/", "/./tick", "/schedule", "/2015-03-31/functions"):
        for method, body in product(("POST", "GET"), bodies):
            asked = Request(method, path, f"tick=&{INTERNAL_REQUEST}=1", headers, body)
            assert response(sandbox.invoke(KINDS[kind](asked))).status in (307, 404, 405)
    assert in_database(desk, "SELECT count(*) FROM tick_run") == [(0,)]
    assert successes(sandbox) == 0


def test_a_request_with_the_schedules_fields_is_a_request(sandbox: Emulator, desk: Path) -> None:
    """A gateway may forward a client's field at the top level of its event."""
    for make_event in KINDS.values():
        event = make_event(Request("GET", "/health/live"))
        event |= {"tick": {}, "detail-type": "Scheduled Event", "time": "2026-01-01T00:00:00Z"}
        assert json.loads(response(sandbox.invoke(event)).body)["status"] == "ok"
    assert in_database(desk, "SELECT count(*) FROM tick_run") == [(0,)]
