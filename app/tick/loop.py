"""The local trigger: each job at its moments by the clock, for as long as the server runs."""

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

# Our idea of the database's clock may be a little ahead of it, and that clock decides what is due.
_LATE_SECONDS = 0.02


@asynccontextmanager
async def local_loop(runner: Runner) -> AsyncIterator[None]:
    """Run each job at its occurrences until the process is to stop, or the block ends.

    What is under way then is finished, within the time that its job has.
    """
    stopping = runner.resources.stopping
    tasks: set[asyncio.Task[None]] = set()

    async def start(job: Job) -> None:
        # It waits after the work, and so would drift: we wait for the clock ourselves, before.
        @repeat_every(seconds=0, on_exception=_log)
        async def beat() -> None:
            task = asyncio.current_task()
            assert task is not None
            if task in tasks:
                await _wait(_until_next(runner, job), stopping)
            # Else this is the first time: what came due while nobody ran is due now.
            tasks.add(task)
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
        with _told_by_signal(stopping):
            yield
    finally:
        stopping.set()
        longest = max((job.timeout for job in runner.jobs.values()), default=0)
        _, late = await asyncio.wait(tasks, timeout=longest) if tasks else (set(), set())
        for task in late:
            task.cancel()


@contextmanager
def _told_by_signal(stopping: asyncio.Event) -> Iterator[None]:
    """Set `stopping` with the signal to stop, not only once the server has sent its last answer."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopping.set)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    try:
        for number, handler in before.items():
            # Only a server handles it; elsewhere the signal does what it always does.
            if callable(handler):
                signal.signal(number, stop)
    except ValueError:
        pass  # not in the main thread: whoever runs us there ends the block
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
