"""The local trigger: runs each job at its occurrences while the server runs."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

import structlog
from fastapi_utils.tasks import repeat_every

from app import clock
from app.tick.job import Job
from app.tick.runner import Runner

log = structlog.get_logger()

# Our estimate of the database's clock, which decides, may be slightly ahead of it.
_LATE_SECONDS = 0.02


@asynccontextmanager
async def local_loop(runner: Runner) -> AsyncIterator[None]:
    """Run each job at its occurrences until the process is stopping, or the block ends.

    Runs that have started are finished within their job's timeout.
    """
    stopping = runner.resources.stopping
    tasks: set[asyncio.Task[None]] = set()

    async def start(job: Job) -> None:
        # repeat_every sleeps after the work, and so drifts: sleep until the occurrence before it.
        @repeat_every(seconds=0, on_exception=_log)
        async def beat() -> None:
            task = asyncio.current_task()
            assert task is not None
            if task in tasks:
                await _wait(_until_next(runner, job), stopping)
            # The first call runs the occurrences that were missed.
            tasks.add(task)
            if stopping.is_set():
                # The only exception that repeat_every does not take for a failure.
                raise asyncio.CancelledError
            await runner.tick("loop", only=job.name)

        await beat()

    for job in runner.jobs.values():
        await start(job)
    # Each task adds itself to `tasks` before it first waits.
    await asyncio.sleep(0)
    try:
        with _set_by_signal(stopping):
            yield
    finally:
        stopping.set()
        longest = max((job.timeout for job in runner.jobs.values()), default=0)
        _, late = await asyncio.wait(tasks, timeout=longest) if tasks else (set(), set())
        for task in late:
            task.cancel()


@contextmanager
def _set_by_signal(stopping: asyncio.Event) -> Iterator[None]:
    """Set `stopping` at the signal: the server's own shutdown comes after its last answer."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopping.set)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    try:
        for number, handler in before.items():
            # Only replace a server's handler; without one the signal ends the process.
            if callable(handler):
                signal.signal(number, stop)
    except ValueError:
        pass  # not in the main thread, where no signal arrives
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is stop:
                signal.signal(number, handler)


def _until_next(runner: Runner, job: Job) -> float:
    """Return the seconds until the job's next occurrence, by the database's clock."""
    period = runner.period(job)
    now = clock.now() + runner.skew
    return period - now.timestamp() % period + _LATE_SECONDS


async def _wait(seconds: float, stopping: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        pass


async def _log(error: Exception) -> None:
    log.error("tick failed", error=f"{type(error).__name__}: {error}")
