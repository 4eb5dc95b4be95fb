"""The periodic jobs. A job is a function that takes a JobContext, and a line in JOBS."""

from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit import record
from app.mail import outbox
from app.resources import Resources
from app.sessions import store
from app.tick import runs
from app.tick.context import JobContext
from app.tick.counter import count
from app.tick.job import Job
from app.users.letters import (
    ADDRESS_CHANGED,
    PASSWORD_CHANGED,
    RESET,
    VERIFY,
    address_changed_letter,
    password_changed_letter,
    reset_letter,
    verify_letter,
)

PURGE_BATCH = 1_000

LETTERS = {
    VERIFY: verify_letter,
    RESET: reset_letter,
    ADDRESS_CHANGED: address_changed_letter,
    PASSWORD_CHANGED: password_changed_letter,
}


async def deliver_mail(resources: Resources) -> dict[str, int]:
    """Try each message that is due, once. Returns the number of each outcome."""
    # Most cold starts on Lambda deliver nothing: they save the 20 ms of templates and SMTP.
    from app.mail.delivery import deliver

    return await deliver(resources, LETTERS)


async def mail(context: JobContext) -> dict[str, int]:
    """Deliver the messages that are due."""
    return await deliver_mail(context.resources)


async def purge(context: JobContext) -> dict[str, int]:
    """Delete expired sessions, finished messages, old runs and old events, in batches.

    Sessions that a clock which was ahead has prolonged are shortened.
    """
    settings = context.resources.settings
    lifetime = min(settings.session_idle_seconds, settings.session_seconds)
    return {
        "sessions": await _in_batches(context, store.purge),
        "sessions_shortened": await _in_batches(context, partial(store.shorten, lifetime=lifetime)),
        "messages": await _in_batches(context, outbox.purge),
        "runs": await _in_batches(context, runs.purge),
        "events": await _in_batches(context, partial(record.purge, days=settings.audit_days)),
    }


async def _in_batches(
    context: JobContext, work: Callable[[AsyncSession, int], Awaitable[int]]
) -> int:
    total = 0
    while True:
        async with context.batch() as session:
            done = await work(session, PURGE_BATCH)
        total += done
        if done < PURGE_BATCH:
            return total


JOBS = (
    Job("count", None, count, catch_up="all", timeout=5),
    Job("mail", None, mail, timeout=60),
    Job("purge", 3_600, purge),
)
