"""h, i: real servers, `POST /tick` and the command at the same time, and killed servers."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.conftest import Cases
from tests.databases import KINDS, database_url, server
from tests.databases.server import OwnServer, execute, free_port
from tests.service import TICK_TOKEN, Server, bearer, make_environment, over_tcp

SECONDS = int(os.environ.get("KEYSTEAD_TEST_SECONDS", "15"))
WORKERS = 4
SEED = 4
KILLS = 2
RECOVER_SECONDS = 60


def occurrences(url: str) -> tuple[int, list[int]]:
    """Return the counter, and the occurrences that are done, in order."""
    done = "SELECT occurrence FROM tick_run WHERE name = 'count' AND state = 'done' ORDER BY 1"
    counted = "SELECT coalesce(max(value), 0) FROM tick_counter WHERE name = 'count'"
    [(count,)] = execute(url, counted)
    return count, [occurrence for (occurrence,) in execute(url, done)]


def assert_each_once(url: str, least: int) -> int:
    """Check that each second was counted once, with no gap; return the number of seconds."""
    count, done = occurrences(url)
    assert count == len(done) >= least
    assert done == list(range(done[0], done[0] + count))
    return count


@pytest.mark.timeout(SECONDS + 120)
def test_servers_deliveries_and_commands_at_once(tmp_path: Path, cases: Cases) -> None:
    ends = 0.0
    answers: Counter[int] = Counter()
    commands: Counter[int] = Counter()

    def post(url: str) -> None:
        with httpx2.Client(base_url=url, timeout=60, verify=False) as client:
            while time.monotonic() < ends:
                answer = client.post("/tick", json={"job": "count"}, headers=bearer(TICK_TOKEN))
                answers[answer.status_code] += 1
                time.sleep(0.3)

    def command(environment: dict[str, str]) -> None:
        while time.monotonic() < ends:
            arguments = [sys.executable, "-m", "app", "tick", "--job", "count"]
            done = subprocess.run(arguments, env=environment, capture_output=True, timeout=60)
            commands[done.returncode] += 1

    with (
        over_tcp(tmp_path, workers=WORKERS, tick_seconds="1") as service,
        ThreadPoolExecutor(3) as threads,
    ):
        environment = make_environment(tmp_path, tick_seconds="1")
        ends = time.monotonic() + SECONDS
        url = str(service.client.base_url)
        under_way = [threads.submit(post, url) for _ in range(2)]
        under_way.append(threads.submit(command, environment))
        for one in under_way:
            one.result(SECONDS + 60)
    assert answers[200] > SECONDS // 2
    # More calls than a scheduler makes, to a worker that serves both clients.
    assert set(answers) <= {200, 409, 429}
    assert commands[0] > 0
    assert set(commands) == {0}
    count = assert_each_once(database_url(tmp_path), SECONDS // 2)
    cases("h", count)
    print(answers, commands, count)


def wait_for_more(url: str, n: int) -> None:
    enough, deadline = len(occurrences(url)[1]) + n, time.monotonic() + RECOVER_SECONDS
    while len(occurrences(url)[1]) < enough:
        assert time.monotonic() < deadline, occurrences(url)
        time.sleep(0.2)


@pytest.mark.timeout(300)
def test_the_service_is_killed_amid_its_work(tmp_path: Path, cases: Cases) -> None:
    chance = random.Random(SEED)
    environment = make_environment(tmp_path, tick_seconds="1")
    url = database_url(tmp_path)
    # The next owner waits for the lease of the killed one: 15 s for this job.
    for _ in range(KILLS):
        with Server(environment, free_port(), 2, tmp_path / "log") as running:
            wait_for_more(url, 2)
            time.sleep(chance.random())
            running.kill()
        assert_each_once(url, 2)
    cases("i", KILLS)


@pytest.mark.only("postgres", "mysql", "mariadb")
@pytest.mark.timeout(300)
def test_the_database_is_killed_amid_the_work(tmp_path: Path, cases: Cases) -> None:
    with KINDS[server().name]() as own:
        assert isinstance(own, OwnServer)
        own.create("keystead")
        url = own.url("keystead")
        environment = make_environment(tmp_path, database_url=url, tick_seconds="1")
        with Server(environment, free_port(), 2, tmp_path / "log"):
            for _ in range(KILLS):
                wait_for_more(url, 2)
                own.kill()
                time.sleep(1)
                own.serve()
            wait_for_more(url, 2)
        assert_each_once(url, 2 * KILLS)
    cases("i", KILLS)
