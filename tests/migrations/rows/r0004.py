"""Jobs: one up to date, one that failed, and their runs."""

from datetime import UTC, datetime

from tests.databases import in_database
from tests.migrations.rows import Losses, Rows, moment
from tests.service import TICK_TOKEN, Service, bearer

THEN = int(moment(2026).timestamp()) // 10 * 10
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def _run(name: str, occurrence: int, **values: object) -> dict[str, object]:
    return {
        "name": name,
        "occurrence": occurrence,
        "fence": 7,
        "state": "done",
        "attempts": 1,
        "trigger": "loop",
        "claimed_at": moment(2026),
        "finished_at": moment(2026, 1),
        "result": {"count": 41, "text": "ß🙂"},
        "error": None,
    } | values


def _job(name: str, **values: object) -> dict[str, object]:
    return {
        "name": name,
        "fence": 7,
        "owner": None,
        "occurrence": THEN,
        "done_through": THEN,
        "lease_until": NEVER,
    } | values


ROWS: Rows = {
    "tick_job": [
        _job("count"),
        _job("Count", fence=2**62, owner="camelot:1:ff", lease_until=moment(2126)),
        _job("mail", done_through=THEN - 10),
    ],
    "tick_run": [
        _run("count", THEN),
        _run("count", THEN - 10, state="dead", attempts=5, result=None, error="no luck 💥"),
        _run("mail", THEN, state="failed", attempts=2, result=None, error="away"),
        _run("Count", THEN, state="running", attempts=1, finished_at=None, result=None),
    ],
    "tick_counter": [{"name": "count", "value": 41}],
}
LOSES: Losses = {"tick_job": None, "tick_run": None, "tick_counter": None}


def read_back(service: Service) -> None:
    def tick(at: int) -> dict[str, object]:
        body = {"job": "count", "scheduled_at": datetime.fromtimestamp(at, UTC).isoformat()}
        answer = service.client.post("/tick", json=body, headers=bearer(TICK_TOKEN))
        job: dict[str, object] = answer.json()["jobs"][0]
        return job

    assert tick(THEN)["result"] == {"count": 41, "text": "ß🙂"}
    assert tick(THEN - 10)["error"] == "no luck 💥"
    assert tick(THEN + 10)["result"] == {"count": 42}
    tries = in_database(service.folder, "SELECT attempts FROM tick_job WHERE name = 'Count'")
    assert tries == [(1,)]
