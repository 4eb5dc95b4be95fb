"""The local trigger: each job at its moments by the clock, for as long as the server runs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi_utils.tasks import repeat_every

from app.tick.job import Job
from app.tick.runner import Runner

log = structlog.get_logger()

# Our clock may be a little ahead of the database's, which decides what is due.
_LATE_SECONDS = 0.02


@asynccontextmanager
async def local_loop(runner: Runner) -> AsyncIterator[None]:
    """Run each job at its occurrences until the block ends; what is under way then is finished."""
    stopping = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def start(job: Job) -> None:
        # It waits after the work, and so would drift: we wait for the clock ourselves, before.
        @repeat_every(seconds=0, on_exception=_log)
        async def beat() -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            await _wait(_until_next(runner.period(job)), stopping)
            if stopping.is_set():
                # The one way out of repeat_every that it does not take for a failure.
                raise asyncio.CancelledError
            await runner.tick("loop", only=job.name)

        await beat()

    for job in runner.jobs.values():
        await start(job)
    # Each task makes itself known before it first waits.
    await asyncio.sleep(0)
    try:
        yield
    finally:
        stopping.set()
        longest = max((job.timeout for job in runner.jobs.values()), default=0)
        _, late = await asyncio.wait(tasks, timeout=longest) if tasks else (set(), set())
        for task in late:
            task.cancel()


def _until_next(period: int) -> float:
    """Return the seconds until the next multiple of `period` in Unix time."""
    return period - time.time() % period + _LATE_SECONDS


async def _wait(seconds: float, stopping: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        pass


async def _log(error: Exception) -> None:
    log.error("tick failed", error=f"{type(error).__name__}: {error}")
