"""The guarantee: one effect an occurrence, whoever triggers it and whatever fails."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from app.errors import BadTickTime, UnknownJob
from app.services import Services
from app.tick.counter import count
from app.tick.job import Job, LostFence, Turn
from app.tick.runner import MAX_ATTEMPTS, MAX_CATCH_UP, NEVER, Runner
from app.tick.tables import TickCounter, TickJob, TickRun

InServices = Callable[[Any], Any]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
COUNT = Job("count", run=count, every=10, catch_up="all")


def at(occurrence: int) -> datetime:
    """Return a moment within the n-th occurrence after noon."""
    return NOON + timedelta(seconds=10 * occurrence + 3)


async def counted(services: Services) -> int:
    async with services.database.transaction() as session:
        counter = await session.get(TickCounter, "count")
        return counter.value if counter is not None else 0


async def runs(services: Services) -> list[TickRun]:
    async with services.database.transaction() as session:
        return list(await session.scalars(select(TickRun).order_by(TickRun.occurrence)))


async def let_time_pass(services: Services) -> None:
    """Make every lease and every pause run out."""
    async with services.database.transaction() as session:
        await session.execute(update(TickJob).values(lease_until=NEVER))


async def fail(turn: Turn) -> dict[str, Any]:
    await count(turn)
    raise RuntimeError("no luck")


def test_once_and_then_replayed(in_services: InServices) -> None:
    async def check(services: Services) -> None:
        first = await Runner(services, [COUNT]).run(COUNT, at(0), "command")
        again = await Runner(services, [COUNT]).run(COUNT, at(0), "http")
        assert (first.status, first.result) == ("done", {"count": 1})
        assert (again.status, again.result) == ("replayed", {"count": 1})
        assert first.occurrence == again.occurrence == NOON
        assert await counted(services) == 1

    in_services(check)


def test_twenty_at_once(in_services: InServices) -> None:
    async def check(services: Services) -> None:
        runners = [Runner(services, [COUNT]) for _ in range(20)]
        outcomes = await asyncio.gather(*(r.run(COUNT, at(0), "loop") for r in runners))
        statuses = [outcome.status for outcome in outcomes]
        assert statuses.count("done") == 1
        assert set(statuses) <= {"done", "running", "replayed"}
        assert await counted(services) == 1

    in_services(check)


def test_late_and_out_of_order(in_services: InServices) -> None:
    async def check(services: Services) -> None:
        runner = Runner(services, [COUNT])
        statuses = [(await runner.run(COUNT, at(n), "http")).status for n in (3, 1, 3, 4, 2)]
        assert statuses == ["done", "superseded", "replayed", "done", "superseded"]
        assert await counted(services) == 2

    in_services(check)


def test_all_makes_up_for_what_was_missed_in_order(in_services: InServices) -> None:
    async def check(services: Services) -> None:
        runner = Runner(services, [COUNT])
        await runner.run(COUNT, at(0), "loop")
        outcome = await runner.run(COUNT, at(7), "loop")
        assert outcome.result == {"count": 8}
        gaps = [run.occurrence - NOON.timestamp() for run in await runs(services)]
        assert gaps == [10 * n for n in range(8)]

    in_services(check)


def test_all_is_bounded(in_services: InServices) -> None:
    async def check(services: Services) -> None:
        runner = Runner(services, [COUNT])
        await runner.run(COUNT, at(0), "loop")
        await runner.run(COUNT, at(5_000), "loop")
        assert await counted(services) == 1 + MAX_CATCH_UP

    in_services(check)


def test_latest_skips_what_was_missed(in_services: InServices) -> None:
    job = Job("count", run=count, every=10)

    async def check(services: Services) -> None:
        runner = Runner(services, [job])
        await runner.run(job, at(0), "loop")
        await runner.run(job, at(7), "loop")
        assert await counted(services) == 2

    in_services(check)


def test_a_failure_leaves_nothing_and_is_tried_again(in_services: InServices) -> None:
    bad, good = (Job("count", run=run, every=10) for run in (fail, count))

    async def check(services: Services) -> None:
        failed = await Runner(services, [bad]).run(bad, at(0), "loop")
        assert (failed.status, failed.error) == ("failed", "RuntimeError: no luck")
        assert await counted(services) == 0
        waiting = await Runner(services, [good]).run(good, at(0), "loop")
        assert (waiting.status, waiting.error) == ("failed", "RuntimeError: no luck")
        await let_time_pass(services)
        assert (await Runner(services, [good]).run(good, at(0), "loop")).status == "done"
        (run,) = await runs(services)
        assert (run.state, run.attempts, run.error) == ("done", 2, None)

    in_services(check)


def test_a_poison_job_is_given_up_and_the_next_occurrence_runs(in_services: InServices) -> None:
    bad, good = (Job("count", run=run, every=10, catch_up="all") for run in (fail, count))

    async def check(services: Services) -> None:
        for _ in range(MAX_ATTEMPTS):
            await Runner(services, [bad]).run(bad, at(0), "loop")
            await let_time_pass(services)
        (run,) = await runs(services)
        assert (run.state, run.attempts, run.error) == (
            "dead",
            MAX_ATTEMPTS,
            "RuntimeError: no luck",
        )
        dead = await Runner(services, [good]).run(good, at(0), "loop")
        assert (dead.status, dead.error) == ("failed", "RuntimeError: no luck")
        assert (await Runner(services, [good]).run(good, at(1), "loop")).status == "done"
        assert await counted(services) == 1

    in_services(check)


def test_a_job_that_fails_at_each_new_occurrence_backs_off_and_is_given_up(
    in_services: InServices,
) -> None:
    bad = Job("count", run=fail, every=10, catch_up="latest")

    async def check(services: Services) -> None:
        for occurrence in range(MAX_ATTEMPTS):
            await Runner(services, [bad]).run(bad, at(occurrence), "loop")
            await let_time_pass(services)
        assert [run.state for run in await runs(services)] == ["failed"] * 4 + ["dead"]

    in_services(check)


def test_a_job_that_takes_its_process_down_is_given_up(in_services: InServices) -> None:
    async def die(turn: Turn) -> dict[str, Any]:
        await turn.begin()
        raise asyncio.CancelledError

    deadly = Job("count", run=die, every=10)

    async def check(services: Services) -> None:
        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(asyncio.CancelledError):
                await Runner(services, [deadly]).run(deadly, at(0), "loop")
            assert (await Runner(services, [deadly]).run(deadly, at(0), "loop")).status == "running"
            await let_time_pass(services)
        outcome = await Runner(services, [deadly]).run(deadly, at(0), "loop")
        assert outcome.status == "failed"
        assert outcome.error == "the process died at every attempt"
        (run,) = await runs(services)
        assert run.state == "dead"

    in_services(check)


def test_a_job_that_hangs_is_stopped(in_services: InServices) -> None:
    async def hang(turn: Turn) -> dict[str, Any]:
        await count(turn)
        await asyncio.sleep(60)
        return {}

    slow = Job("count", run=hang, every=10, timeout=1)

    async def check(services: Services) -> None:
        outcome = await Runner(services, [slow]).run(slow, at(0), "loop")
        assert outcome.status == "failed"
        assert outcome.error is not None
        assert outcome.error.startswith("TimeoutError")
        assert await counted(services) == 0

    in_services(check)


@pytest.mark.parametrize("began", [False, True])
def test_a_holder_that_slept_past_its_lease_changes_nothing(
    in_services: InServices, began: bool
) -> None:
    """The zombie wakes up before, or after, it would have begun its transaction."""

    async def check(services: Services) -> None:
        asleep, awake = asyncio.Event(), asyncio.Event()

        async def sleep(turn: Turn) -> dict[str, Any]:
            asleep.set()
            await awake.wait()
            return await count(turn)

        zombie = Job("count", run=sleep, every=10)
        sleeping = asyncio.create_task(Runner(services, [zombie]).run(zombie, at(0), "loop"))
        await asleep.wait()
        if began:
            await let_time_pass(services)
            assert (await Runner(services, [COUNT]).run(COUNT, at(0), "http")).status == "done"
        awake.set()
        outcome = await sleeping
        assert outcome.status == ("running" if began else "done")
        assert await counted(services) == 1

    in_services(check)


def test_renewing_keeps_the_lease_and_finds_it_lost(in_services: InServices) -> None:
    async def check(services: Services) -> None:
        lost = []

        async def work(turn: Turn) -> dict[str, Any]:
            await let_time_pass(services)
            await turn.renew()
            assert (await Runner(services, [COUNT]).run(COUNT, at(0), "loop")).status == "running"
            await let_time_pass(services)
            assert (await Runner(services, [COUNT]).run(COUNT, at(0), "loop")).status == "done"
            try:
                await turn.renew()
            except LostFence:
                lost.append(True)
                raise
            return {}

        long = Job("count", run=work, every=10)
        assert (await Runner(services, [long]).run(long, at(0), "loop")).status == "running"
        assert lost == [True]
        assert await counted(services) == 1

    in_services(check)


def test_times_that_are_refused(in_services: InServices) -> None:
    async def check(services: Services) -> None:
        runner = Runner(services, [COUNT])
        now = datetime.now(UTC)
        for bad in (now + timedelta(seconds=15), NEVER - timedelta(1), now.replace(tzinfo=None)):
            with pytest.raises(BadTickTime):
                await runner.tick("command", bad)
        with pytest.raises(UnknownJob):
            await runner.tick("command", now, "conquer")
        assert await runs(services) == []

    in_services(check)


def test_the_database_clock_decides(
    in_services: InServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process whose clock is an hour off claims neither too early nor too late."""

    async def check(services: Services) -> None:
        runner = Runner(services, [COUNT])
        for hours in (-1, 1):
            wrong = datetime.now(UTC) + timedelta(hours=hours)
            monkeypatch.setattr("app.clock.now", lambda wrong=wrong: wrong)
            (outcome,) = await runner.tick("loop")
            assert abs(outcome.occurrence - datetime.now(UTC)) < timedelta(seconds=30)
            async with services.database.transaction() as session:
                await session.execute(text("DELETE FROM tick_run"))
                await session.execute(text("DELETE FROM tick_job"))

    in_services(check)


def test_a_holder_that_slept_finds_the_job_in_other_hands(in_services: InServices) -> None:
    """The zombie wakes up while its successor is still at work."""

    async def check(services: Services) -> None:
        claimed: list[int] = []
        zombie_awake, successor_may_finish = asyncio.Event(), asyncio.Event()

        async def wait_and_count(turn: Turn) -> dict[str, Any]:
            claimed.append(turn.fence)
            await (zombie_awake if len(claimed) == 1 else successor_may_finish).wait()
            return await count(turn)

        async def work_as(number: int) -> asyncio.Task[Any]:
            task = asyncio.create_task(Runner(services, [job]).run(job, at(0), "loop"))
            while len(claimed) < number:
                await asyncio.sleep(0.01)
            return task

        job = Job("count", run=wait_and_count, every=10)
        zombie = await work_as(1)
        await let_time_pass(services)
        successor = await work_as(2)
        zombie_awake.set()
        assert (await zombie).status == "running"
        assert await counted(services) == 0
        successor_may_finish.set()
        assert (await successor).status == "done"
        assert await counted(services) == 1

    in_services(check)


@pytest.mark.parametrize("step", ["_record", "_release"])
def test_the_effect_and_its_record_are_one(
    in_services: InServices, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A process that dies between the work and its record has not done the work."""

    async def die(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    async def check(services: Services) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Runner, step, die)
            with pytest.raises(asyncio.CancelledError):
                await Runner(services, [COUNT]).run(COUNT, at(0), "loop")
        assert await counted(services) == 0
        await let_time_pass(services)
        outcome = await Runner(services, [COUNT]).run(COUNT, at(0), "loop")
        assert (outcome.status, outcome.result) == ("done", {"count": 1})

    in_services(check)
