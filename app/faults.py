"""What a transaction fails with when nothing is wrong with it.

Collision    it lost to another one and was rolled back; run again, it will do
Unavailable  the database is away, too busy, or not the one that the code needs
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

P = ParamSpec("P")
Result = TypeVar("Result")

log = structlog.get_logger()

TRIES = 4
PAUSE_SECONDS = 0.05  # at most, before the second try; doubled before each one after it

# SQLSTATEs of PostgreSQL, error numbers of MySQL and MariaDB. Not 1205, a wait that was too long:
# whoever was in the way for seconds still is, and the client can wait as well as we can.
_COLLISIONS = frozenset(
    {
        "40001",  # could not serialize access
        "40P01",  # deadlock
        "0A000",  # a migration came between a prepared statement and its use
        1213,  # deadlock
        1305,  # the savepoint is gone: a deadlock took the whole transaction
        1020,  # MariaDB: the record has changed since it was read
    }
)
# What the statement itself is wrong in, by the class of the SQLSTATE: data, constraints.
_OUR_FAULT = ("22", "23")


class Collision(SQLAlchemyError):
    """The transaction lost to another one, and nothing of it is left. Run it again."""


class Unavailable(SQLAlchemyError):
    """The database cannot do it now. After a commit, it may have."""


@contextmanager
def told_apart() -> Iterator[None]:
    """Raise Collision and Unavailable for whatever the drivers spell them as.

    An OSError stays one: the database's address may not answer, but others' may not either.
    """
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable("every connection of the pool is in use") from error
    except DBAPIError as error:
        code = code_of(error.orig)
        if code in _COLLISIONS:
            raise Collision(_words(error.orig)) from error
        if isinstance(error, IntegrityError | DataError) or str(code).startswith(_OUR_FAULT):
            raise
        raise Unavailable(_words(error.orig)) from error
    except Exception as error:
        # asyncpg's own come past SQLAlchemy while it connects; SQLite's while it waits to write.
        if not type(error).__module__.startswith(("asyncpg.", "sqlite3")):
            raise
        raise Unavailable(_words(error)) from error


def code_of(error: BaseException | None) -> object:
    """Return the SQLSTATE or the number that the database gave its refusal."""
    state = getattr(error, "sqlstate", None)
    return state or next(iter(getattr(error, "args", ())), None)


def _words(error: BaseException | None) -> str:
    """Return one line that names the error, without the statement."""
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}"


def retried(
    transact: Callable[P, Awaitable[Result]],
) -> Callable[P, Coroutine[Any, Any, Result]]:
    """Make `transact`, which is one transaction, run again after a Collision: TRIES times in all.

    Then the Collision is raised.
    """

    @wraps(transact)
    async def again(*args: P.args, **kwargs: P.kwargs) -> Result:
        for n in range(TRIES - 1):
            try:
                return await transact(*args, **kwargs)
            except Collision as collision:
                log.info("trying again", attempt=n + 1, reason=str(collision))
            await asyncio.sleep(random.uniform(0, PAUSE_SECONDS * 2**n))
        return await transact(*args, **kwargs)

    return again
