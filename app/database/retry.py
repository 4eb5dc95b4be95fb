"""Retries of transactions that lost against a concurrent one."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import structlog

from app.database.errors import TransactionConflict

P = ParamSpec("P")
Result = TypeVar("Result")

log = structlog.get_logger()

TRIES = 4
PAUSE_SECONDS = 0.05  # at most, before the second try; doubled before each one after it


def retry_on_conflict(
    transact: Callable[P, Awaitable[Result]],
) -> Callable[P, Coroutine[Any, Any, Result]]:
    """Decorate `transact`, one whole transaction, to run again after a TransactionConflict.

    It runs TRIES times at most, with random pauses between; then the conflict is raised.
    """

    @wraps(transact)
    async def again(*args: P.args, **kwargs: P.kwargs) -> Result:
        for n in range(TRIES - 1):
            try:
                return await transact(*args, **kwargs)
            except TransactionConflict as conflict:
                log.info("trying again", attempt=n + 1, reason=str(conflict))
            await asyncio.sleep(random.uniform(0, PAUSE_SECONDS * 2**n))
        return await transact(*args, **kwargs)

    return again
