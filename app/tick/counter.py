"""The job of the original notes: a counter."""

from app.tick.context import JobContext
from app.tick.tables import TickCounter


async def count(context: JobContext) -> dict[str, int]:
    """Add one, in the transaction that records the run, so that each occurrence counts once."""
    session = await context.begin()
    counter = await session.get(TickCounter, context.job.name)
    if counter is None:
        counter = TickCounter(name=context.job.name, value=0)
        session.add(counter)
    counter.value += 1
    await session.flush()
    return {"count": counter.value}
