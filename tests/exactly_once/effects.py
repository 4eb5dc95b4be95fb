"""A job whose effects are counted: one row an occurrence, with the number of effects."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import update

from app.tick.claim import NEVER
from app.tick.context import JobContext
from app.tick.job import Job
from app.tick.runner import Runner
from app.tick.tables import TickCounter, TickJob
from tests.databases import in_database

PERIOD = 10
NOON = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp())


def at(number: int) -> datetime:
    """Return a time within the n-th occurrence after noon."""
    return datetime.fromtimestamp(NOON + number * PERIOD + 3, UTC)


async def mark(turn: JobContext) -> dict[str, Any]:
    """Add one mark for this occurrence."""
    session = await turn.begin()
    name = f"occurrence {turn.occurrence}"
    counter = await session.get(TickCounter, name)
    if counter is None:
        counter = TickCounter(name=name, value=0)
        session.add(counter)
    counter.value += 1
    await session.flush()
    return {"marks": counter.value}


JOB = Job("mark", PERIOD, mark, catch_up="all")


def effects(folder: Path) -> dict[int, int]:
    """Return the number of effects of each occurrence, by its number after noon."""
    rows = in_database(folder, "SELECT name, value FROM tick_counter WHERE name LIKE 'occ%'")
    return {(int(name.split()[1]) - NOON) // PERIOD: value for name, value in rows}


def states(folder: Path) -> dict[int, str]:
    """Return the state of each run, by its number after noon."""
    rows = in_database(folder, "SELECT occurrence, state FROM tick_run WHERE name = 'mark'")
    return {(occurrence - NOON) // PERIOD: state for occurrence, state in rows}


async def let_time_pass(runner: Runner) -> None:
    """Expire every lease and pause, and reset the count of failures.

    Raises DatabaseUnavailable if another transaction holds the row.
    """
    async with runner.resources.database.transaction() as session:
        # These tests fail a job more often than it would be retried.
        await session.execute(update(TickJob).values(lease_until=NEVER, attempts=1))
