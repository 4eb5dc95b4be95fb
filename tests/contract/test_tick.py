import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.service import JOB_NAMES, TICK_TOKEN, Service, bearer

TOKEN = bearer(TICK_TOKEN)


def deliver(service: Service, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return service.client.post(
        "/tick", json=body or None, headers=TOKEN if headers is None else headers
    )


def tick(service: Service, headers: dict[str, str] | None = None, **body: Any) -> Any:
    """Deliver, again while the local loop is running the job, as a scheduler would."""
    answer = deliver(service, headers, **body)
    for _ in range(100):
        if answer.status_code != 409:
            break
        time.sleep(0.1)
        answer = deliver(service, headers, **body)
    return answer


@pytest.mark.parametrize(
    "headers",
    [{}, bearer("wrong"), bearer(""), {"Authorization": TICK_TOKEN}, bearer(f"{TICK_TOKEN}x")],
)
def test_needs_the_token(service: Service, headers: dict[str, str]) -> None:
    answer = service.client.post("/tick", headers={k: v.strip() for k, v in headers.items()})
    assert answer.status_code == 401
    sent = headers.get("Authorization", "").removeprefix("Bearer ")
    is_token = sent not in ("", TICK_TOKEN)
    wrong = ' error="invalid_token", error_description="The token is wrong"'
    assert answer.headers["www-authenticate"] == f"Bearer{wrong * is_token}"


def test_a_superuser_is_no_scheduler(service: Service, admin: dict[str, str]) -> None:
    assert tick(service, admin).status_code == 401


def test_runs_every_job(service: Service) -> None:
    tick(service)  # the loop's first run is over then
    for body in (b"", b"{}", b'{"scheduled_at": null}'):
        answer = service.client.post("/tick", headers=TOKEN, content=body)
        assert answer.status_code == 200
        assert [job["job"] for job in answer.json()["jobs"]] == JOB_NAMES


def test_a_repeated_occurrence_is_replayed(service: Service) -> None:
    at = datetime.now(UTC).isoformat()
    first = tick(service, scheduled_at=at, job="count").json()["jobs"][0]
    again = tick(service, scheduled_at=at, job="count").json()["jobs"][0]
    assert first["status"] in ("done", "replayed")  # the local loop may have been faster
    assert again["status"] == "replayed"
    assert again["result"] == first["result"]
    assert again["occurrence"] == first["occurrence"]


def test_a_replay_is_marked_in_a_header(service: Service) -> None:
    at = datetime.now(UTC).isoformat()
    tick(service, scheduled_at=at, job="count")
    assert tick(service, scheduled_at=at, job="count").headers["Idempotent-Replayed"] == "true"
    anew = datetime.now(UTC) + timedelta(seconds=service.period)
    first = tick(service, scheduled_at=anew.isoformat(), job="count")
    replayed = first.json()["jobs"][0]["status"] == "replayed"  # another test was faster
    assert ("Idempotent-Replayed" in first.headers) is replayed


def test_long_ago_is_superseded(service: Service) -> None:
    tick(service, job="count")
    report = tick(service, scheduled_at="2001-01-01T00:00:00Z", job="count").json()["jobs"][0]
    assert report == {
        "job": "count",
        "occurrence": "2001-01-01T00:00:00Z",
        "status": "superseded",
        "result": None,
        "error": None,
    }


def test_offsets_are_understood(service: Service) -> None:
    report = tick(service, scheduled_at="2001-01-01T02:00:00+02:00", job="purge").json()
    assert report["jobs"][0]["occurrence"] == "2001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "at",
    ["", "yesterday", "2026-01-01T00:00:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"],
)
def test_bad_times(service: Service, at: str) -> None:
    answer = tick(service, scheduled_at=at)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "TICK_BAD_TIME"}


def test_the_future_is_refused_beyond_one_period(service: Service) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=25)
    assert tick(service, scheduled_at=soon.isoformat(), job="count").status_code == 400
    assert tick(service, scheduled_at=soon.isoformat(), job="purge").status_code == 200


def test_unknown_job(service: Service) -> None:
    answer = tick(service, job="conquer")
    assert answer.status_code == 400
    assert answer.json() == {"detail": "TICK_UNKNOWN_JOB"}


@pytest.mark.parametrize("body", [[], "now", {"scheduled_at": 0}, {"job": 1}, {"jobb": "count"}])
def test_malformed(service: Service, body: Any) -> None:
    assert service.client.post("/tick", json=body, headers=TOKEN).status_code == 422


def test_many_at_once_count_once(service: Service) -> None:
    at = datetime.now(UTC).isoformat()
    tick(service, scheduled_at=at, job="count")
    before = tick(service, scheduled_at=at, job="count").json()["jobs"][0]
    later = datetime.fromisoformat(before["occurrence"]) + timedelta(seconds=service.period)

    def deliver_it(_: int) -> tuple[int, str | None]:
        answer = deliver(service, scheduled_at=later.isoformat(), job="count")
        jobs = answer.json().get("jobs", [{}])
        return answer.status_code, jobs[0].get("status")

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(deliver_it, range(20)))
    after = tick(service, scheduled_at=later.isoformat(), job="count").json()["jobs"][0]
    assert after["result"]["count"] == before["result"]["count"] + 1
    # One runs it (unless the local loop was faster), the others replay.
    assert answers.count((200, "done")) <= 1
    assert set(answers) <= {(200, "done"), (200, "replayed"), (409, None)}


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_only_post(service: Service, method: str) -> None:
    answer = service.client.request(method, "/tick", headers=TOKEN)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


def test_without_a_token_there_is_no_such_route(strict_service: Service) -> None:
    answer = strict_service.client.post("/tick", headers=TOKEN)
    assert answer.status_code == 404
    assert answer.json() == {"detail": "Not Found"}
