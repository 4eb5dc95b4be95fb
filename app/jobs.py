"""What happens by the clock. A new job is a function that takes a Turn, and a line in JOBS."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession

from app.mail import outbox
from app.services import Services
from app.sessions import logins
from app.tick import runs
from app.tick.counter import count
from app.tick.job import Job
from app.tick.turn import Turn
from app.users.letters import RESET, VERIFY, reset_letter, verify_letter

PURGE_BATCH = 1_000

LETTERS = {VERIFY: verify_letter, RESET: reset_letter}


async def deliver_mail(services: Services) -> dict[str, int]:
    """Try each message that is due, once; return what became of how many."""
    # Templates and SMTP take a cold start 20 ms, and most of those deliver nothing.
    from app.mail.delivery import deliver

    return await deliver(services, LETTERS)


async def mail(turn: Turn) -> dict[str, int]:
    """Deliver what waits in the outbox."""
    return await deliver_mail(turn.services)


async def purge(turn: Turn) -> dict[str, int]:
    """Delete what nobody needs any more, a batch at a time."""
    return {
        "logins": await _in_batches(turn, logins.purge),
        "messages": await _in_batches(turn, outbox.purge),
        "runs": await _in_batches(turn, runs.purge),
    }


async def _in_batches(
    turn: Turn, delete_some: Callable[[AsyncSession, int], Awaitable[int]]
) -> int:
    total = 0
    while True:
        async with turn.batch() as session:
            deleted = await delete_some(session, PURGE_BATCH)
        total += deleted
        if deleted < PURGE_BATCH:
            return total


JOBS = (
    Job("count", None, count, catch_up="all", timeout=5),
    Job("mail", None, mail, timeout=60),
    Job("purge", 3_600, purge),
)
