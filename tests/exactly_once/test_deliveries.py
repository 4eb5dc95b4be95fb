"""a, b, f: many deliveries at once, in any order, with wrong clocks."""

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import update

from app.database.statements import database_now
from app.resources import open_resources
from app.tick.claim import Outcome
from app.tick.runner import Runner
from app.tick.tables import TickJob
from tests.conftest import Cases
from tests.databases import in_database
from tests.exactly_once.conftest import Run, with_runner
from tests.exactly_once.effects import JOB, NOON, PERIOD, at, effects, let_time_pass, states
from tests.exactly_once.worker import Worker
from tests.service import make_environment, settings_from

DELIVERIES = 100
PROCESSES = 4
ROUNDS = 5
MIXED = 200
SEED = 4


def deliver_at_once(folder: Path, numbers: list[int]) -> list[Outcome]:
    """Deliver the occurrences at the same time, through several resources and their connections."""

    async def deliver() -> list[Outcome]:
        settings = settings_from(make_environment(folder))
        async with open_resources(settings) as one, open_resources(settings) as other:
            runners = [Runner(one, [JOB]), Runner(other, [JOB])]
            runs = [runners[n % 2].run(JOB, at(numbers[n]), "test") for n in range(len(numbers))]
            return await asyncio.gather(*runs)

    return asyncio.run(deliver())


def test_a_hundred_of_one_occurrence(desk: Path, cases: Cases) -> None:
    for number in range(ROUNDS):
        outcomes = deliver_at_once(desk, [number] * DELIVERIES)
        statuses = Counter(outcome.status for outcome in outcomes)
        assert statuses["done"] == 1
        assert set(statuses) <= {"done", "running", "replayed"}
        results = [outcome.result for outcome in outcomes if outcome.result is not None]
        assert set(map(str, results)) == {"{'marks': 1}"}
    assert effects(desk) == dict.fromkeys(range(ROUNDS), 1)
    cases("a", ROUNDS * DELIVERIES)


def test_processes_at_once(desk: Path, cases: Cases) -> None:
    for number in range(ROUNDS):
        workers = [Worker(desk, at(number)) for _ in range(PROCESSES)]
        assert [worker.wait() for worker in workers] == [0] * PROCESSES
    assert effects(desk) == dict.fromkeys(range(ROUNDS), 1)
    cases("a", ROUNDS * PROCESSES)


def test_neighbours_mixed_late_and_out_of_order(desk: Path, run: Run, cases: Cases) -> None:
    chance = random.Random(SEED)
    run(desk, at(0))
    for start in range(0, MIXED, 20):
        # Up to six periods late and three early.
        middle = start // 10
        numbers = [max(0, middle + chance.randint(-6, 3)) for _ in range(20)]
        statuses = {outcome.status for outcome in deliver_at_once(desk, numbers)}
        assert statuses <= {"done", "running", "replayed"}
    newest = max(effects(desk))
    run(desk, at(newest))
    # Each missed occurrence ran once, in order.
    assert effects(desk) == dict.fromkeys(range(newest + 1), 1)
    assert states(desk) == dict.fromkeys(range(newest + 1), "done")
    cases("b", MIXED)


def test_clocks_an_hour_off(desk: Path, run: Run, cases: Cases) -> None:
    """They agree on the occurrence because the database's clock decides."""
    with_runner(desk, lambda runner: runner.tick("test"))
    for _ in range(ROUNDS):
        in_database(desk, "UPDATE tick_job SET done_through = done_through - 30")
        in_database(desk, "DELETE FROM tick_run")
        in_database(desk, "DELETE FROM tick_counter")
        before = with_runner(desk, now_in).timestamp()
        workers = [Worker(desk, None, hours_off=hours) for hours in (-1, 0, 1)]
        assert [worker.wait() for worker in workers] == [0] * 3
        after = with_runner(desk, now_in).timestamp()
        found = effects(desk)
        assert set(found.values()) == {1}
        newest = NOON + max(found) * PERIOD
        assert before - PERIOD < newest <= after
        assert len(found) in (3, 4)
    cases("f", 3 * ROUNDS)


async def now_in(runner: Runner) -> datetime:
    """Return the time of the database's clock."""
    async with runner.resources.database.transaction() as session:
        return await database_now(session)


async def somebody_holds(runner: Runner) -> None:
    """Claim the job as another owner, for five minutes."""
    async with runner.resources.database.transaction() as session:
        until = await database_now(session) + timedelta(minutes=5)
        await session.execute(update(TickJob).values(owner="somebody", lease_until=until))


def test_a_fast_clock_takes_no_lease_away(desk: Path, run: Run, cases: Cases) -> None:
    run(desk, at(0))
    with_runner(desk, somebody_holds)
    for hours in (-1, 1):
        assert Worker(desk, at(1), hours_off=hours).wait() == 0
        assert effects(desk) == {0: 1}
    with_runner(desk, let_time_pass)
    for hours in (-1, 1):
        assert Worker(desk, at(1), hours_off=hours).wait() == 0
        assert effects(desk) == {0: 1, 1: 1}
    cases("f", 4)
