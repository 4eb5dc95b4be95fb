"""The database server is killed during traffic and restarted; Keystead is not.

SQLite has no server: tests/test_crash.py kills Keystead instead.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.database.traffic import Traffic
from tests.databases import KINDS, server
from tests.databases.server import OwnServer, execute, free_port
from tests.service import Server, get, make_environment

pytestmark = pytest.mark.only("postgres", "mysql", "mariadb")

CLIENTS = 8
AWAY_SECONDS = 2
# No request hangs: connections to a dead server fail at once.
SLOWEST_SECONDS = 8


@pytest.fixture
def own_server() -> Iterator[OwnServer]:
    """A server of the test's own."""
    with KINDS[server().name]() as own:
        assert isinstance(own, OwnServer)
        own.create("keystead")
        yield own


def test_answered_registrations_survive_a_killed_database_server(
    tmp_path: Path, own_server: OwnServer
) -> None:
    url = own_server.url("keystead")
    environment = make_environment(tmp_path, database_url=url, tick_seconds="1")
    with (
        Server(environment, free_port(), 2, tmp_path / "log") as running,
        ThreadPoolExecutor(CLIENTS) as threads,
    ):
        traffic = Traffic(running.url)
        clients = [threads.submit(traffic.register) for _ in range(CLIENTS)]
        try:
            traffic.wait_for_more(traffic.kept)
            own_server.kill()
            traffic.wait_for_more(traffic.refused)
            ready = get(f"{running.url}/health/ready")
            time.sleep(AWAY_SECONDS)
            own_server.serve()
            traffic.wait_for_more(traffic.kept)
        finally:
            traffic.stop()
        for client in clients:
            client.result(60)
        assert get(f"{running.url}/health/ready").status_code == 200
    assert traffic.other == []
    assert {answer.headers["Retry-After"] for answer in traffic.refused} == {"1"}
    assert traffic.slowest < SLOWEST_SECONDS
    assert ready.status_code == 503
    assert "KEYSTEAD_DATABASE_URL" in ready.json()["reason"]
    accounts = {row[0] for row in execute(url, "SELECT email FROM user_account")}
    assert set(traffic.kept) <= accounts
    letters = {row[0] for row in execute(url, "SELECT address FROM mail_message")}
    assert accounts == letters
    print(len(traffic.kept), len(traffic.refused), f"{traffic.slowest:.1f} s")
