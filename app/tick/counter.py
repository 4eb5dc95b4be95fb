"""The job of the original notes: it counts."""

from app.tick.context import JobContext
from app.tick.tables import TickCounter


async def count(context: JobContext) -> dict[str, int]:
    """Add one. In one transaction with the record of the run, so each occurrence counts once."""
    session = await context.begin()
    counter = await session.get(TickCounter, context.job.name)
    if counter is None:
        counter = TickCounter(name=context.job.name, value=0)
        session.add(counter)
    counter.value += 1
    await session.flush()
    return {"count": counter.value}
