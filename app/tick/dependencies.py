"""The runner of this process's jobs."""

from typing import Annotated

from fastapi import Depends, Request

from app.tick.runner import Runner


async def get_runner(request: Request) -> Runner:
    """Return the runner of this process."""
    runner: Runner = request.state.runner
    return runner


RunnerDep = Annotated[Runner, Depends(get_runner)]
