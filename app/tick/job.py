"""The definition of a periodic job."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from app.tick.context import JobContext

# Beyond a job's timeout, so that it has stopped before another process may claim it.
LEASE_MARGIN = timedelta(seconds=10)
MAX_NAME = 64  # characters
CATCH_UPS = ("latest", "all", "skip")


@dataclass(frozen=True)
class Job:
    """A function that runs once an occurrence; docs/tick.md has the guarantee.

    `name`: identifies the job in the database; never rename one.
    `every`: seconds between occurrences, which are its multiples in Unix time; None for
    KEYSTEAD_TICK_SECONDS.
    `run`: called with a JobContext; its result is stored as JSON.
    `catch_up`: the occurrences that run late. `latest`: only the newest; `all`: each in order, the
    last hundred at most; `skip`: none, once the next one is due.
    `timeout`: seconds for a run, and for each batch of it.

    Raises ValueError for an invalid field.
    """

    name: str
    every: int | None
    run: Callable[["JobContext"], Awaitable[dict[str, Any]]]
    catch_up: Literal["latest", "all", "skip"] = "latest"
    timeout: int = 30

    def __post_init__(self) -> None:
        if not (0 < len(self.name) <= MAX_NAME and self.name.isprintable()):
            raise ValueError(f"a job's name has 1 to {MAX_NAME} characters: {self.name!r}")
        if self.every is not None and not _is_period(self.every):
            raise ValueError(f"{self.name}: `every` is a whole number of seconds")
        if not _is_period(self.timeout):
            raise ValueError(f"{self.name}: `timeout` is a whole number of seconds")
        if self.catch_up not in CATCH_UPS:
            raise ValueError(f"{self.name}: `catch_up` is one of {', '.join(CATCH_UPS)}")

    @property
    def lease(self) -> timedelta:
        """The lifetime of a claim, renewed by each batch."""
        return timedelta(seconds=self.timeout) + LEASE_MARGIN


def _is_period(seconds: object) -> bool:
    return isinstance(seconds, int) and seconds > 0


def due_at(occurrence: int) -> datetime:
    """Return the time at which an occurrence (Unix seconds) is due."""
    return datetime.fromtimestamp(occurrence, UTC)
