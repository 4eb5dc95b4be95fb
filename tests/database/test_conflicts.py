"""Transactions that deadlock: the loser is run again, and both succeed."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.testclient import TestClient

from app.database.errors import TransactionConflict
from app.database.retry import TRIES, retry_on_conflict
from app.http.dependencies import SessionDep
from app.mail.dependencies import OutboxDep
from app.main import create_app
from app.resources import Resources
from app.settings.model import Settings
from app.tick.context import JobContext
from app.tick.job import Job
from app.tick.runner import Runner
from app.tick.tables import TickCounter
from app.users.letters import RESET
from tests.databases import in_database

NAMES = ["left", "right"]


class Meeting:
    """A meeting point of two transactions; with a time limit, as SQLite lets only one in."""

    def __init__(self) -> None:
        self._arrived: set[str] = set()
        self._both = asyncio.Event()

    async def wait_for_both(self, name: str) -> None:
        self._arrived.add(name)
        if len(self._arrived) == 2:
            self._both.set()
        try:
            await asyncio.wait_for(self._both.wait(), 2)
        except TimeoutError:
            pass


async def add_one(session: AsyncSession, name: str) -> None:
    counter = update(TickCounter).where(TickCounter.name == name)
    await session.execute(counter.values(value=TickCounter.value + 1))


def make_counters(desk: Path) -> None:
    for name in NAMES:
        in_database(desk, "INSERT INTO tick_counter (name, value) VALUES (:n, 0)", n=name)


def counted(desk: Path) -> list[Any]:
    return in_database(
        desk, "SELECT name, value FROM tick_counter WHERE name <> 'count' ORDER BY name"
    )


def test_requests_in_opposite_order_both_succeed(settings: Settings, desk: Path) -> None:
    make_counters(desk)
    app = create_app(settings)
    meeting = Meeting()

    @app.post("/both")
    async def both(order: list[str], session: SessionDep, outbox: OutboxDep) -> list[str]:
        outbox.enqueue(RESET, f"{order[0]}@camelot.bt")
        await add_one(session, order[0])
        await meeting.wait_for_both(order[0])
        await add_one(session, order[1])
        return order

    with TestClient(app, raise_server_exceptions=False) as client, ThreadPoolExecutor(2) as threads:
        orders = [NAMES, NAMES[::-1]]
        answers = list(threads.map(lambda order: client.post("/both", json=order), orders))
    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (200, order) for order in orders
    ]
    assert counted(desk) == [("left", 2), ("right", 2)]
    # One of each; a delivery may have dropped them by now, since no account has the address.
    assert in_database(desk, "SELECT count(*) FROM mail_message") == [(2,)]


def test_a_request_that_always_conflicts_is_503(settings: Settings) -> None:
    app = create_app(settings)
    tries = Counter[str]()

    @app.post("/unlucky")
    async def unlucky(name: str) -> None:
        tries[name] += 1
        raise TransactionConflict("as always")

    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.post("/unlucky?name=arthur")
    assert answer.status_code == 503
    assert answer.json() == {"detail": "DATABASE_UNAVAILABLE"}
    assert answer.headers["Retry-After"] == "1"
    assert tries == {"arthur": TRIES}


def test_a_job_that_loses_a_deadlock_is_retried(
    desk: Path, in_resources: Callable[[Callable[[Resources], Awaitable[Any]]], Any]
) -> None:
    make_counters(desk)

    async def check(resources: Resources) -> None:
        meeting = Meeting()

        async def work(turn: JobContext) -> dict[str, Any]:
            session = await turn.begin()
            await add_one(session, "left")
            await meeting.wait_for_both("job")
            await add_one(session, "right")
            return {}

        @retry_on_conflict
        async def oppose() -> None:
            async with resources.database.transaction() as session:
                # More rows written, and the last to wait: the databases choose the job as the
                # loser.
                session.add_all(TickCounter(name=f"other {n}", value=0) for n in range(20))
                await session.flush()
                await add_one(session, "right")
                await meeting.wait_for_both("other")
                await asyncio.sleep(0.3)
                await add_one(session, "left")

        runner = Runner(resources, [Job("work", 3_600, work)])
        [[outcome], _] = await asyncio.gather(runner.tick("test"), oppose())
        assert outcome.status == "done", outcome

    in_resources(check)
    assert ("left", 2) in counted(desk)
    assert in_database(desk, "SELECT state, attempts FROM tick_run") == [("done", 1)]


@pytest.mark.only("mysql", "mariadb")
@pytest.mark.parametrize("number", [1020, 1213, 1305])
def test_a_conflict_is_known_by_its_number(
    number: int, in_resources: Callable[[Callable[[Resources], Awaitable[Any]]], Any]
) -> None:
    """The driver reports a general SQLSTATE beside it."""

    async def check(resources: Resources) -> None:
        with pytest.raises(TransactionConflict):
            async with resources.database.transaction() as session:
                await session.execute(text(f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}"))

    in_resources(check)
