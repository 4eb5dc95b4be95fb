"""The job of the original notes: it counts."""

from app.tick.tables import TickCounter
from app.tick.turn import Turn


async def count(turn: Turn) -> dict[str, int]:
    """Add one. In one transaction with the record of the run, so each occurrence counts once."""
    session = await turn.begin()
    counter = await session.get(TickCounter, turn.job.name)
    if counter is None:
        counter = TickCounter(name=turn.job.name, value=0)
        session.add(counter)
    counter.value += 1
    await session.flush()
    return {"count": counter.value}
