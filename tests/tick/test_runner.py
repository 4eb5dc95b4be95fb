"""The guarantee: one effect an occurrence, with any triggers and failures."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import APIError, TickBadTime, UnknownJob
from app.resources import Resources
from app.tick.claim import MAX_ATTEMPTS, MAX_CATCH_UP, NEVER, LostFence
from app.tick.context import JobContext
from app.tick.counter import count
from app.tick.job import Job
from app.tick.runner import Runner
from app.tick.tables import TickCounter, TickJob, TickRun

InServices = Callable[[Any], Any]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
COUNT = Job("count", 10, count, catch_up="all")


def at(occurrence: int) -> datetime:
    """Return a time within the n-th occurrence after noon."""
    return NOON + timedelta(seconds=10 * occurrence + 3)


async def counted(resources: Resources) -> int:
    async with resources.database.transaction() as session:
        counter = await session.get(TickCounter, "count")
        return counter.value if counter is not None else 0


async def runs(resources: Resources) -> list[TickRun]:
    async with resources.database.transaction() as session:
        return list(await session.scalars(select(TickRun).order_by(TickRun.occurrence)))


async def jobs(resources: Resources) -> list[TickJob]:
    async with resources.database.transaction() as session:
        return list(await session.scalars(select(TickJob)))


async def let_time_pass(resources: Resources) -> None:
    """Expire every lease and pause."""
    async with resources.database.transaction() as session:
        await session.execute(update(TickJob).values(lease_until=NEVER))


async def fail(turn: JobContext) -> dict[str, Any]:
    await count(turn)
    raise RuntimeError("no luck")


def test_once_and_then_replayed(in_resources: InServices) -> None:
    async def check(resources: Resources) -> None:
        first = await Runner(resources, [COUNT]).run(COUNT, at(0), "command")
        again = await Runner(resources, [COUNT]).run(COUNT, at(0), "http")
        assert (first.status, first.result) == ("done", {"count": 1})
        assert (again.status, again.result) == ("replayed", {"count": 1})
        assert first.occurrence == again.occurrence == NOON
        assert await counted(resources) == 1

    in_resources(check)


def test_twenty_at_once(in_resources: InServices) -> None:
    async def check(resources: Resources) -> None:
        runners = [Runner(resources, [COUNT]) for _ in range(20)]
        outcomes = await asyncio.gather(*(r.run(COUNT, at(0), "loop") for r in runners))
        statuses = [outcome.status for outcome in outcomes]
        assert statuses.count("done") == 1
        assert set(statuses) <= {"done", "running", "replayed"}
        assert await counted(resources) == 1

    in_resources(check)


def test_late_and_out_of_order(in_resources: InServices) -> None:
    async def check(resources: Resources) -> None:
        runner = Runner(resources, [COUNT])
        statuses = [(await runner.run(COUNT, at(n), "http")).status for n in (3, 1, 3, 4, 2)]
        assert statuses == ["done", "superseded", "replayed", "done", "superseded"]
        assert await counted(resources) == 2

    in_resources(check)


def test_all_makes_up_for_what_was_missed_in_order(in_resources: InServices) -> None:
    async def check(resources: Resources) -> None:
        runner = Runner(resources, [COUNT])
        await runner.run(COUNT, at(0), "loop")
        outcome = await runner.run(COUNT, at(7), "loop")
        assert outcome.result == {"count": 8}
        gaps = [run.occurrence - NOON.timestamp() for run in await runs(resources)]
        assert gaps == [10 * n for n in range(8)]

    in_resources(check)


def test_all_is_bounded(in_resources: InServices) -> None:
    async def check(resources: Resources) -> None:
        runner = Runner(resources, [COUNT])
        await runner.run(COUNT, at(0), "loop")
        await runner.run(COUNT, at(5_000), "loop")
        assert await counted(resources) == 1 + MAX_CATCH_UP

    in_resources(check)


def test_latest_skips_what_was_missed(in_resources: InServices) -> None:
    job = Job("count", 10, count)

    async def check(resources: Resources) -> None:
        runner = Runner(resources, [job])
        await runner.run(job, at(0), "loop")
        await runner.run(job, at(7), "loop")
        assert await counted(resources) == 2

    in_resources(check)


def test_a_failure_leaves_nothing_and_is_tried_again(in_resources: InServices) -> None:
    bad, good = (Job("count", 10, run) for run in (fail, count))

    async def check(resources: Resources) -> None:
        failed = await Runner(resources, [bad]).run(bad, at(0), "loop")
        assert (failed.status, failed.error) == ("failed", "RuntimeError: no luck")
        assert await counted(resources) == 0
        waiting = await Runner(resources, [good]).run(good, at(0), "loop")
        assert (waiting.status, waiting.error) == ("failed", "RuntimeError: no luck")
        await let_time_pass(resources)
        assert (await Runner(resources, [good]).run(good, at(0), "loop")).status == "done"
        (run,) = await runs(resources)
        assert (run.state, run.attempts, run.error) == ("done", 2, None)

    in_resources(check)


class BadCode(APIError):
    status, code = 400, "BAD_CODE"
    keeps_writes = True


def test_an_error_that_keeps_its_writes_keeps_a_jobs(in_resources: InServices) -> None:
    """The run has failed and is retried all the same."""

    async def refuse(context: JobContext) -> dict[str, Any]:
        await count(context)
        raise BadCode

    async def check(resources: Resources) -> None:
        outcome = await Runner(resources, [Job("count", 10, refuse)]).run(
            Job("count", 10, refuse), at(0), "loop"
        )
        assert outcome.status == "failed"
        assert await counted(resources) == 1

    in_resources(check)


def test_a_poison_job_is_given_up_and_the_next_occurrence_runs(in_resources: InServices) -> None:
    bad, good = (Job("count", 10, run, catch_up="all") for run in (fail, count))

    async def check(resources: Resources) -> None:
        for _ in range(MAX_ATTEMPTS):
            await Runner(resources, [bad]).run(bad, at(0), "loop")
            await let_time_pass(resources)
        (run,) = await runs(resources)
        assert (run.state, run.attempts, run.error) == (
            "dead",
            MAX_ATTEMPTS,
            "RuntimeError: no luck",
        )
        dead = await Runner(resources, [good]).run(good, at(0), "loop")
        assert (dead.status, dead.error) == ("failed", "RuntimeError: no luck")
        assert (await Runner(resources, [good]).run(good, at(1), "loop")).status == "done"
        assert await counted(resources) == 1

    in_resources(check)


def test_a_job_that_fails_at_each_new_occurrence_backs_off_and_is_given_up(
    in_resources: InServices,
) -> None:
    bad = Job("count", 10, fail, catch_up="latest")

    async def check(resources: Resources) -> None:
        for occurrence in range(MAX_ATTEMPTS):
            await Runner(resources, [bad]).run(bad, at(occurrence), "loop")
            await let_time_pass(resources)
        assert [run.state for run in await runs(resources)] == ["failed"] * 4 + ["dead"]

    in_resources(check)


def test_a_job_that_takes_its_process_down_is_given_up(in_resources: InServices) -> None:
    async def die(turn: JobContext) -> dict[str, Any]:
        await turn.begin()
        raise asyncio.CancelledError

    deadly = Job("count", 10, die)

    async def check(resources: Resources) -> None:
        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(asyncio.CancelledError):
                await Runner(resources, [deadly]).run(deadly, at(0), "loop")
            assert (
                await Runner(resources, [deadly]).run(deadly, at(0), "loop")
            ).status == "running"
            await let_time_pass(resources)
        outcome = await Runner(resources, [deadly]).run(deadly, at(0), "loop")
        assert outcome.status == "failed"
        assert outcome.error == "the process died at every attempt"
        (run,) = await runs(resources)
        assert run.state == "dead"

    in_resources(check)


def test_a_job_that_hangs_is_stopped(in_resources: InServices) -> None:
    async def hang(turn: JobContext) -> dict[str, Any]:
        await count(turn)
        await asyncio.sleep(60)
        return {}

    slow = Job("count", 10, hang, timeout=1)

    async def check(resources: Resources) -> None:
        outcome = await Runner(resources, [slow]).run(slow, at(0), "loop")
        assert outcome.status == "failed"
        assert outcome.error is not None
        assert outcome.error.startswith("TimeoutError")
        assert await counted(resources) == 0

    in_resources(check)


@pytest.mark.parametrize("began", [False, True])
def test_an_owner_that_slept_past_its_lease_changes_nothing(
    in_resources: InServices, began: bool
) -> None:
    """The zombie wakes up before, or after, the start of its transaction."""

    async def check(resources: Resources) -> None:
        asleep, awake = asyncio.Event(), asyncio.Event()

        async def sleep(turn: JobContext) -> dict[str, Any]:
            asleep.set()
            await awake.wait()
            return await count(turn)

        zombie = Job("count", 10, sleep)
        sleeping = asyncio.create_task(Runner(resources, [zombie]).run(zombie, at(0), "loop"))
        await asleep.wait()
        if began:
            await let_time_pass(resources)
            assert (await Runner(resources, [COUNT]).run(COUNT, at(0), "http")).status == "done"
        awake.set()
        outcome = await sleeping
        assert outcome.status == ("running" if began else "done")
        assert await counted(resources) == 1

    in_resources(check)


async def count_batch(session: AsyncSession) -> None:
    """Count one in a batch; the counter's row exists."""
    await session.execute(update(TickCounter).values(value=TickCounter.value + 1))


def test_a_batch_keeps_the_lease_and_finds_it_lost(in_resources: InServices) -> None:
    async def check(resources: Resources) -> None:
        await Runner(resources, [COUNT]).run(COUNT, at(0), "loop")
        lost = []

        async def work(turn: JobContext) -> dict[str, Any]:
            await let_time_pass(resources)
            async with turn.batch() as session:
                await count_batch(session)
            assert (await Runner(resources, [COUNT]).run(COUNT, at(1), "loop")).status == "running"
            await let_time_pass(resources)
            assert (await Runner(resources, [COUNT]).run(COUNT, at(1), "loop")).status == "done"
            try:
                async with turn.batch() as session:
                    await count_batch(session)
            except LostFence:
                lost.append(True)
                raise
            return {}

        long = Job("count", 10, work)
        assert (await Runner(resources, [long]).run(long, at(1), "loop")).status == "running"
        assert lost == [True]
        assert await counted(resources) == 3
        (row,) = await jobs(resources)
        assert (row.done, row.lost) == (2, 1)

    in_resources(check)


def test_each_batch_has_the_jobs_time_anew(in_resources: InServices) -> None:
    async def check(resources: Resources) -> None:
        async def work(turn: JobContext) -> dict[str, Any]:
            for _ in range(4):
                async with turn.batch():
                    await asyncio.sleep(0.4)
            return {"slept": 4}

        long = Job("count", 10, work, timeout=1)
        outcome = await Runner(resources, [long]).run(long, at(0), "loop")
        assert (outcome.status, outcome.result) == ("done", {"slept": 4})

    in_resources(check)


def test_a_batch_after_begin_would_wait_for_itself(in_resources: InServices) -> None:
    async def check(resources: Resources) -> None:
        async def work(turn: JobContext) -> dict[str, Any]:
            await turn.begin()
            async with turn.batch():
                return {}

        wrong = Job("count", 10, work)
        outcome = await Runner(resources, [wrong]).run(wrong, at(0), "loop")
        assert outcome.error is not None
        assert outcome.error.startswith("RuntimeError: a batch after begin()")

    in_resources(check)


def test_a_long_job_gives_way_when_the_process_stops(in_resources: InServices) -> None:
    async def check(resources: Resources) -> None:
        async def work(turn: JobContext) -> dict[str, Any]:
            async with turn.batch():
                pass
            resources.stopping.set()
            async with turn.batch():
                pytest.fail("it went on")

        long = Job("count", 10, work)
        assert (await Runner(resources, [long]).run(long, at(0), "loop")).status == "running"
        assert (await Runner(resources, [COUNT]).run(COUNT, at(0), "loop")).status == "running"
        assert await counted(resources) == 0
        resources.stopping.clear()
        # Another owner continues at once, and the try is not counted as a failure.
        assert (await Runner(resources, [COUNT]).run(COUNT, at(0), "loop")).status == "done"
        (row,) = await jobs(resources)
        assert (row.attempts, row.failed) == (0, 0)

    in_resources(check)


def test_skip_runs_nothing_that_is_late(in_resources: InServices) -> None:
    job = Job("count", 3_600, count, catch_up="skip")

    async def check(resources: Resources) -> None:
        runner = Runner(resources, [job])
        now = datetime.now(UTC)
        late, current = now - timedelta(hours=1), now
        assert (await runner.run(job, late, "http")).status == "superseded"
        assert (await runner.run(job, current, "http")).status == "done"
        assert await counted(resources) == 1
        assert len(await runs(resources)) == 1

    in_resources(check)


def test_a_dead_occurrence_runs_when_it_is_retried(in_resources: InServices) -> None:
    bad, good = (Job("count", 10, run, catch_up="all") for run in (fail, count))

    async def check(resources: Resources) -> None:
        for _ in range(MAX_ATTEMPTS):
            await Runner(resources, [bad]).run(bad, at(0), "loop")
            await let_time_pass(resources)
        await Runner(resources, [good]).run(good, at(3), "loop")
        again = await Runner(resources, [bad]).retry("count", at(0))
        assert (again.status, again.error) == ("failed", "RuntimeError: no luck")
        assert [run.state for run in await runs(resources)] == ["dead", "done", "done", "done"]
        runner = Runner(resources, [good])
        outcome = await runner.retry("count", at(0))
        assert (outcome.status, outcome.result) == ("done", {"count": 4})
        assert (await runner.retry("count", at(0))).status == "replayed"
        assert (await runner.retry("count", at(-5))).status == "superseded"
        # None of it moved the job back.
        assert (await runner.run(good, at(3), "http")).status == "replayed"
        assert await counted(resources) == 4
        with pytest.raises(UnknownJob):
            await runner.retry("conquer", at(0))

    in_resources(check)


def test_a_retry_is_refused_while_the_job_runs(in_resources: InServices) -> None:
    async def check(resources: Resources) -> None:
        async def work(turn: JobContext) -> dict[str, Any]:
            outcome = await Runner(resources, [COUNT]).retry("count", at(0))
            return {"meanwhile": outcome.status}

        slow = Job("count", 10, work)
        outcome = await Runner(resources, [slow]).run(slow, at(0), "loop")
        assert outcome.result == {"meanwhile": "running"}

    in_resources(check)


def test_outcomes_are_counted(in_resources: InServices) -> None:
    bad = Job("count", 10, fail)

    async def check(resources: Resources) -> None:
        runner = Runner(resources, [COUNT])
        for trigger in ("loop", "http", "loop", "command"):
            await runner.run(COUNT, at(0), trigger)
        for _ in range(MAX_ATTEMPTS):
            await Runner(resources, [bad]).run(bad, at(1), "loop")
            await let_time_pass(resources)
        (row,) = await jobs(resources)
        assert (row.done, row.failed, row.dead, row.lost, row.replayed) == (1, 5, 1, 0, 2)

    in_resources(check)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"name": name} for name in ("", "x" * 65, "a\nb")),
        *({"every": every} for every in (0, -3, 1.5)),
        *({"timeout": timeout} for timeout in (0, None)),
        {"catch_up": "lates"},
    ],
    ids=str,
)
def test_invalid_jobs_are_refused(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"name": "count", "every": 10, "run": count}
    with pytest.raises(ValueError, match=r"count|name"):
        Job(**right | wrong)


def test_a_job_that_commits_fails(in_resources: InServices) -> None:
    async def commit(turn: JobContext) -> dict[str, Any]:
        await count(turn)
        await (await turn.begin()).commit()
        return {}

    wrong = Job("count", 10, commit)

    async def check(resources: Resources) -> None:
        for _ in range(2):
            outcome = await Runner(resources, [wrong]).run(wrong, at(0), "loop")
            assert outcome.error is not None
            assert outcome.error.startswith("RuntimeError: a job does not commit")
            await let_time_pass(resources)
        assert await counted(resources) == 0

    in_resources(check)


def test_a_run_whose_process_died_is_recorded_as_lost(in_resources: InServices) -> None:
    async def die(turn: JobContext) -> dict[str, Any]:
        raise asyncio.CancelledError

    deadly, good = (Job("count", 10, run) for run in (die, count))

    async def check(resources: Resources) -> None:
        with pytest.raises(asyncio.CancelledError):
            await Runner(resources, [deadly]).run(deadly, at(0), "loop")
        await let_time_pass(resources)
        await Runner(resources, [good]).run(good, at(1), "loop")
        lost, done = await runs(resources)
        assert (lost.state, lost.error) == (
            "failed",
            "lost: its process died, or slept past the lease",
        )
        assert done.state == "done"
        (row,) = await jobs(resources)
        assert (row.done, row.lost) == (1, 1)

    in_resources(check)


def test_two_jobs_of_one_name(in_resources: InServices) -> None:
    async def check(resources: Resources) -> None:
        with pytest.raises(ValueError, match="one name"):
            Runner(resources, [COUNT, COUNT])

    in_resources(check)


def test_times_that_are_refused(in_resources: InServices) -> None:
    async def check(resources: Resources) -> None:
        runner = Runner(resources, [COUNT])
        now = datetime.now(UTC)
        for bad in (now + timedelta(seconds=15), NEVER - timedelta(1), now.replace(tzinfo=None)):
            with pytest.raises(TickBadTime):
                await runner.tick("command", bad)
        with pytest.raises(UnknownJob):
            await runner.tick("command", now, "conquer")
        assert await runs(resources) == []

    in_resources(check)


def test_the_database_clock_decides(in_resources: InServices) -> None:
    """A process whose clock is an hour off claims neither early nor late."""

    async def check(resources: Resources) -> None:
        runner = Runner(resources, [COUNT])
        for hours in (-1, 1):
            with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours)):
                (outcome,) = await runner.tick("loop")
            assert abs(outcome.occurrence - datetime.now(UTC)) < timedelta(seconds=30)
            async with resources.database.transaction() as session:
                await session.execute(text("DELETE FROM tick_run"))
                await session.execute(text("DELETE FROM tick_job"))

    in_resources(check)


def test_an_owner_that_slept_finds_the_job_claimed(in_resources: InServices) -> None:
    """The zombie wakes up while the next owner is running the job."""

    async def check(resources: Resources) -> None:
        claimed: list[JobContext] = []
        zombie_awake, successor_may_finish = asyncio.Event(), asyncio.Event()

        async def wait_and_count(turn: JobContext) -> dict[str, Any]:
            claimed.append(turn)
            await (zombie_awake if len(claimed) == 1 else successor_may_finish).wait()
            return await count(turn)

        async def work_as(number: int) -> asyncio.Task[Any]:
            task = asyncio.create_task(Runner(resources, [job]).run(job, at(0), "loop"))
            while len(claimed) < number:
                await asyncio.sleep(0.01)
            return task

        job = Job("count", 10, wait_and_count)
        zombie = await work_as(1)
        await let_time_pass(resources)
        successor = await work_as(2)
        zombie_awake.set()
        assert (await zombie).status == "running"
        assert await counted(resources) == 0
        successor_may_finish.set()
        assert (await successor).status == "done"
        assert await counted(resources) == 1

    in_resources(check)


def test_the_effect_and_its_record_are_one(
    in_resources: InServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies between the work and its record leaves neither."""

    async def die(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    async def check(resources: Resources) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("app.tick.claim._record", die)
            with pytest.raises(asyncio.CancelledError):
                await Runner(resources, [COUNT]).run(COUNT, at(0), "loop")
        assert await counted(resources) == 0
        await let_time_pass(resources)
        outcome = await Runner(resources, [COUNT]).run(COUNT, at(0), "loop")
        assert (outcome.status, outcome.result) == ("done", {"count": 1})

    in_resources(check)
