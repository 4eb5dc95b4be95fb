"""A job whose effects can be counted: a row for each occurrence, with how often it happened."""

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
    """Return a moment within the n-th occurrence after noon."""
    return datetime.fromtimestamp(NOON + number * PERIOD + 3, UTC)


async def mark(turn: JobContext) -> dict[str, Any]:
    """Leave one more mark for this occurrence."""
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
    """Return how often each occurrence happened, by its number after noon."""
    rows = in_database(folder, "SELECT name, value FROM tick_counter WHERE name LIKE 'occ%'")
    return {(int(name.split()[1]) - NOON) // PERIOD: value for name, value in rows}


def states(folder: Path) -> dict[int, str]:
    """Return the state of each run, by its number after noon."""
    rows = in_database(folder, "SELECT occurrence, state FROM tick_run WHERE name = 'mark'")
    return {(occurrence - NOON) // PERIOD: state for occurrence, state in rows}


async def let_time_pass(runner: Runner) -> None:
    """Make every lease and every pause run out, however often the job has failed.

    Raises DatabaseUnavailable if somebody holds the row.
    """
    async with runner.resources.database.transaction() as session:
        # What is tried here more often than a job would be is not to be given up.
        await session.execute(update(TickJob).values(lease_until=NEVER, attempts=1))
