"""Delivery: the messages that are due are composed, sent, and retried.

Imported by deliveries alone: most cold starts on AWS Lambda serve a request.
"""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.retry import retry_on_conflict
from app.database.statements import database_now, execute_rowcount
from app.database.types import utcnow
from app.mail.letters import Letter
from app.mail.messages import write_message
from app.mail.outbox import SEND_SECONDS
from app.mail.tables import MailMessage
from app.mail.transports import MailServerUnavailable, Transport, open_transport
from app.resources import Resources

log = structlog.get_logger()

Compose = Callable[[Resources, AsyncSession, str], Awaitable[Letter | None]]
"""Composes the letter to an address; None if no account is to receive it any more."""

MAX_ATTEMPTS = 30  # with the pauses below, about a day
LONGEST_PAUSE = timedelta(minutes=75)
BATCH_SECONDS = 20
_MERGED_AT_ONCE = 1_000
# A mail server's error names the recipient, which does not belong in a log.
_ADDRESS = re.compile(r"""[^\s<>"'(){}:,]+@[^\s<>"'(){}:,]+""")


async def deliver(resources: Resources, letters: Mapping[str, Compose]) -> dict[str, int]:
    """Try each message that is due, once. Returns the number of each outcome.

    At least once: after a crash between the server's OK and our commit, a message is sent again
    with the same Message-ID. Any number of processes may deliver at the same time. Stops after
    BATCH_SECONDS, when the process is stopping, or when the mail server is unavailable; the rest is
    due later.
    """
    counts = {"sent": 0, "dropped": 0, "failed": 0}
    async with aclosing(open_transport(resources.settings)) as transport:
        until = time.monotonic() + BATCH_SECONDS
        while time.monotonic() < until and not resources.stopping.is_set():
            claimed = await _claim(resources)
            if claimed is None:
                break
            outcome, away = await _try(resources, transport, claimed, letters)
            counts[outcome] += 1
            if away:
                break
    return counts


@retry_on_conflict
async def _claim(resources: Resources) -> MailMessage | None:
    """Lease the message that has been due longest; other processes skip it meanwhile."""
    while True:
        async with resources.database.transaction() as session:
            now = await database_now(session)
            message = await session.scalar(
                select(MailMessage)
                .where(MailMessage.state == "waiting", _is_due(now))
                .order_by(MailMessage.due_at)
                .limit(1)
            )
            if message is None:
                return None
            session.expunge(message)
            lease = now + timedelta(seconds=2 * SEND_SECONDS)
            if await _settle(session, message, attempts=message.attempts + 1, due_at=lease):
                message.attempts += 1
                await _merge(session, message)
                return message


async def _merge(session: AsyncSession, message: MailMessage) -> None:
    """Drop the waiting messages that ask for the same letter to the same address as `message`.

    Whoever asks for one letter many times gets it once, and holds up nobody else's. `message` is
    composed after all of them were committed. One that is being sent by another process arrives
    although it is dropped here: its process may be dead. The last attempt of `message` leaves
    them, since it may be given up.
    """
    if message.attempts >= MAX_ATTEMPTS:
        return
    equal = select(MailMessage.id).where(
        MailMessage.state == "waiting",
        MailMessage.letter == message.letter,
        MailMessage.address == message.address,
        MailMessage.id != message.id,
    )
    # Found first: MySQL and MariaDB lock every row that an UPDATE looks at.
    ids = list(await session.scalars(equal.order_by(MailMessage.id).limit(_MERGED_AT_ONCE)))
    if ids:
        mine = update(MailMessage).where(MailMessage.id.in_(ids), MailMessage.state == "waiting")
        await session.execute(mine.values(state="dropped", finished_at=utcnow()))


def _is_due(now: datetime) -> ColumnElement[bool]:
    """Match messages that are due, or that a clock which was ahead has postponed too far."""
    longest = LONGEST_PAUSE + timedelta(seconds=2 * SEND_SECONDS)
    return or_(MailMessage.due_at <= now, MailMessage.due_at > now + 2 * longest)


async def _try(
    resources: Resources,
    transport: Transport,
    message: MailMessage,
    letters: Mapping[str, Compose],
) -> tuple[str, bool]:
    """Send one message. Returns the outcome, and whether the server is unavailable."""
    letter = None
    try:
        async with resources.database.transaction() as session:
            letter = await letters[message.letter](resources, session, message.address)
        if letter is None:
            await _finish(resources, message, "dropped", address="")
            return "dropped", False
        async with asyncio.timeout(SEND_SECONDS):
            await transport.send(write_message(resources.settings, letter, message.id))
    except Exception as error:
        # Any error of one message must not stop the delivery of the others.
        await _postpone(resources, message, error, letter)
        return "failed", isinstance(error, MailServerUnavailable | TimeoutError)
    await _finish(resources, message, "sent", **_forgotten(letter))
    log.info("mail sent", id=str(message.id), letter=message.letter, attempts=message.attempts)
    return "sent", False


@retry_on_conflict
async def _finish(resources: Resources, message: MailMessage, state: str, **values: object) -> None:
    async with resources.database.transaction() as session:
        await _settle(session, message, state=state, finished_at=utcnow(), error=None, **values)


def _forgotten(letter: Letter | None) -> dict[str, str]:
    """Return the values that a finished message loses: an address of no account."""
    return {"address": ""} if letter is not None and not letter.to_account else {}


@retry_on_conflict
async def _postpone(
    resources: Resources, message: MailMessage, error: Exception, letter: Letter | None
) -> None:
    """Reschedule a message, or give it up after MAX_ATTEMPTS. The row is kept either way."""
    reason = f"{type(error).__name__}: {error}"[:1_000]
    next_try = None
    async with resources.database.transaction() as session:
        if message.attempts >= MAX_ATTEMPTS:
            left = _forgotten(letter) or {"error": reason}
            await _settle(session, message, state="dead", finished_at=utcnow(), **left)
        else:
            next_try = await database_now(session) + pause(message.attempts)
            await _settle(session, message, due_at=next_try, error=reason)
    log.warning(
        "mail not sent",
        id=str(message.id),
        attempts=message.attempts,
        next_try="never" if next_try is None else next_try.isoformat(timespec="seconds"),
        error=_ADDRESS.sub("…", reason),
    )


def pause(attempts: int) -> timedelta:
    """Return the pause after `attempts` failures.

    15 s, doubled each time up to an hour, plus up to 25 %.
    """
    seconds = min(15 * 2 ** (attempts - 1), 3_600)
    return timedelta(seconds=seconds * random.uniform(1, 1.25))


async def _settle(session: AsyncSession, message: MailMessage, **values: object) -> bool:
    """Update a message unless another process has tried it since. Returns whether it did."""
    mine = update(MailMessage).where(
        MailMessage.id == message.id,
        MailMessage.state == "waiting",
        MailMessage.attempts == message.attempts,
    )
    return await execute_rowcount(session, mine.values(**values)) == 1
