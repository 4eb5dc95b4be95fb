"""A database of the test's own, and runners in this process."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.resources import open_resources
from app.tick.claim import Outcome
from app.tick.job import Job
from app.tick.runner import Runner
from tests.exactly_once.effects import JOB
from tests.service import make_environment, settings_from

Run = Callable[..., Outcome]


def with_runner(folder: Path, work: Callable[[Runner], Awaitable[Any]], job: Job = JOB) -> Any:
    """Call `work` with a runner of `job` on the folder's database."""

    async def run() -> Any:
        async with open_resources(settings_from(make_environment(folder))) as resources:
            return await work(Runner(resources, [job]))

    return asyncio.run(run())


@pytest.fixture
def run() -> Run:
    """Deliver an occurrence in this process; return its outcome."""

    def deliver(folder: Path, at: datetime, job: Job = JOB) -> Outcome:
        outcome: Outcome = with_runner(folder, lambda runner: runner.run(job, at, "test"), job)
        return outcome

    return deliver
