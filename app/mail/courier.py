"""The courier: delivers mail as soon as this process has committed it to the outbox."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from app.mail.outbox import SEND_SECONDS
from app.resources import Resources

log = structlog.get_logger()


@asynccontextmanager
async def courier(
    resources: Resources, deliver: Callable[[Resources], Awaitable[object]]
) -> AsyncIterator[None]:
    """Call `deliver` now and after each commit of mail, until the block ends.

    The last call finishes. The mail job retries the messages that fail.
    """

    async def carry() -> None:
        while True:
            await resources.mail_waiting.wait()
            resources.mail_waiting.clear()
            if resources.stopping.is_set():
                return
            try:
                await deliver(resources)
            except Exception:
                log.exception("mail delivery failed")

    resources.mail_waiting.set()  # for messages that an earlier process left
    task = asyncio.create_task(carry())
    try:
        yield
    finally:
        resources.stopping.set()
        resources.mail_waiting.set()
        await asyncio.wait([task], timeout=SEND_SECONDS)
        task.cancel()
