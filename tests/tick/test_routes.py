"""The routes of the tick that need a service of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx2 import Response

from app.tick.routes import PER_MINUTE
from tests.databases import in_database
from tests.service import TICK_TOKEN, Service, bearer, in_process


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with in_process(tmp_path, tick_seconds="0") as running:
        yield running


def test_the_calls_with_one_token_are_limited(service: Service) -> None:
    def ask(token: str) -> Response:
        # A bad time is refused without work, except one read of the clock.
        body = {"scheduled_at": "yesterday"}
        return service.client.post("/tick", json=body, headers=bearer(token))

    assert {ask("a wrong one").status_code for _ in range(PER_MINUTE + 10)} == {401}
    answers = [ask(TICK_TOKEN) for _ in range(2 * PER_MINUTE)]
    codes = [answer.status_code for answer in answers]
    assert set(codes) == {400, 429}
    # Two calls a second may be made again, so that of the next one nothing is known.
    refused = answers[codes.index(429)]
    assert codes.index(429) >= PER_MINUTE
    assert refused.json() == {"detail": "TICK_TOO_OFTEN"}
    assert int(refused.headers["Retry-After"]) > 0


def test_a_late_job_is_a_warning(service: Service) -> None:
    def ready() -> list[str]:
        answer = service.readiness()
        assert answer.status_code == 200
        warnings: list[str] = answer.json()["warnings"]
        return warnings

    assert ready() == []
    assert service.client.post("/tick", headers=bearer(TICK_TOKEN)).status_code == 200
    assert ready() == []
    # The next occurrence is due a period after the last: late is more than three periods later.
    back = "UPDATE tick_job SET done_through = done_through - :seconds WHERE name = 'mail'"
    in_database(service.folder, back, seconds=20)
    assert ready() == []
    in_database(service.folder, back, seconds=30)
    [warning] = ready()
    assert warning.startswith("the job mail is ")
    assert warning.endswith(" s late: see `keystead tick status`")
    assert service.client.post("/tick", headers=bearer(TICK_TOKEN)).status_code == 200
    assert ready() == []


def test_a_removed_job_is_not_reported_late(service: Service) -> None:
    assert service.client.post("/tick", headers=bearer(TICK_TOKEN)).status_code == 200
    gone = "UPDATE tick_job SET name = 'gone', done_through = 0 WHERE name = 'mail'"
    in_database(service.folder, gone)
    assert service.readiness().json() == {
        "status": "ok",
        "reason": None,
        "warnings": [],
    }


def test_two_tokens_while_one_replaces_the_other(tmp_path: Path) -> None:
    tokens = {"tick_token": "old-one, new-one", "metrics_token": "old, new"}
    with in_process(tmp_path, tick_seconds="0", **tokens) as service:

        def codes(method: str, path: str, *tokens: str) -> list[int]:
            asked = [service.client.request(method, path, headers=bearer(it)) for it in tokens]
            return [answer.status_code for answer in asked]

        wrong = ("old-one, new-one", "old-oneX", "ol", "")
        assert codes("POST", "/tick", "old-one", "new-one", *wrong) == [200, 200, *4 * [401]]
        assert codes("GET", "/metrics", "old", "new", "old-one") == [200, 200, 401]
