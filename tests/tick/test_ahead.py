"""A clock was ahead once, and is right again: what it left behind stops nothing for long."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from app.database.statements import database_now
from app.resources import Resources
from app.tick import runs
from app.tick.counter import count
from app.tick.job import Job
from app.tick.runner import Runner
from app.tick.tables import TickCounter, TickJob, TickRun
from tests.databases import in_database
from tests.service import TICK_TOKEN, bearer, in_process

InResources = Callable[[Callable[[Resources], Awaitable[Any]]], Any]
COUNT = Job("count", 10, count)
MONTH = 30 * 86_400


async def counted(resources: Resources) -> int:
    async with resources.database.transaction() as session:
        counter = await session.get_one(TickCounter, "count")
        return counter.value


async def run_ahead(resources: Resources, runner: Runner, **more: object) -> None:
    """Leave what a tick with a clock a month ahead leaves."""
    [done] = await runner.tick("http")
    assert done.status == "done"
    async with resources.database.transaction() as session:
        row = await session.get_one(TickJob, "count")
        future = row.done_through + MONTH
        values = {"occurrence": future, "done_through": future, "fence": row.fence + 1}
        await session.execute(update(TickJob).values(**values | more))
        now = await database_now(session)
        run = {"name": "count", "occurrence": future, "fence": row.fence + 1, "state": "done"}
        later = now + timedelta(seconds=MONTH)
        times = {"attempts": 1, "trigger": "http", "claimed_at": later, "finished_at": later}
        await session.execute(insert(TickRun).values(**run, **times))


def test_a_job_that_is_ahead_is_reported_and_reset(in_resources: InResources) -> None:
    async def check(resources: Resources) -> None:
        runner = Runner(resources, [COUNT])
        assert await runner.reset("count") is None
        await run_ahead(resources, runner)
        [outcome] = await runner.tick("http")
        assert outcome.status == "failed"
        assert "keystead tick reset" in str(outcome.error)
        async with resources.database.transaction() as session:
            [status] = await runs.statuses(session, runner)
        assert status.state == "ahead"
        [warning] = await runs.late(runner, resources.database)
        assert "the job count does not run: a clock was ahead" in warning
        assert "30.0 days from now" in warning
        before = await counted(resources)
        assert await runner.reset("count") is not None
        async with resources.database.transaction() as session:
            now = await database_now(session)
            found = list(await session.scalars(select(TickRun.occurrence)))
        assert max(found) <= now.timestamp()
        while (outcome := (await runner.tick("http"))[0]).status == "replayed":
            # What was done before the clock was wrong stays done.
            assert await counted(resources) == before
            await asyncio.sleep(1)
        assert outcome.status == "done"
        assert await counted(resources) == before + 1
        assert await runs.late(runner, resources.database) == []
        assert await runner.reset("count") is None

    in_resources(check)


def test_a_lease_of_the_future_is_taken_over(in_resources: InResources) -> None:
    async def check(resources: Resources) -> None:
        runner = Runner(resources, [COUNT])
        await runner.tick("http")
        for owner in ("a process that died", None):
            async with resources.database.transaction() as session:
                row = await session.get_one(TickJob, "count")
                now = await database_now(session)
                stuck = {"owner": owner, "lease_until": now + timedelta(seconds=MONTH)}
                behind = row.done_through - 20
                await session.execute(update(TickJob).values(done_through=behind, **stuck))
            async with resources.database.transaction() as session:
                [status] = await runs.statuses(session, runner)
            assert status.state == "idle"
            [outcome] = await runner.tick("http")
            assert outcome.status in ("done", "replayed")

    in_resources(check)


def test_the_operator_sees_and_resets_it(desk: Path) -> None:
    with in_process(desk, tick_seconds="0") as service:
        service.command("tick")
        in_database(desk, f"UPDATE tick_job SET done_through = done_through + {MONTH}")
        said = service.command("tick", "status")
        assert said.count("ahead") >= 3
        ready = service.readiness().json()
        assert any("keystead tick reset" in warning for warning in ready["warnings"])
        answer = service.client.post("/tick", headers=bearer(TICK_TOKEN))
        assert answer.status_code == 500
        assert "a clock was ahead" in answer.json()["jobs"][0]["error"]
        assert "count: was done through" in service.command("tick", "reset", "count")
        said = service.command("tick", "reset")
        assert "mail: was done through" in said
        assert "count" not in said
        assert service.readiness().json()["warnings"] == []
        assert service.command("tick", "reset") == "no job is ahead\n"
        assert service.client.post("/tick", headers=bearer(TICK_TOKEN)).status_code == 200
