"""What a periodic job is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from app.tick.context import JobContext

# Beyond a job's time, so that its owner gives up before somebody else may begin.
LEASE_MARGIN = timedelta(seconds=10)
MAX_NAME = 64  # characters
CATCH_UPS = ("latest", "all", "skip")


@dataclass(frozen=True)
class Job:
    """Work that happens once an occurrence: docs/tick.md has the guarantee.

    `name`: never changes, because what was done is kept under it.
    `every`: seconds between two occurrences, which are the multiples of it in Unix time; None for
    the tick's own period (KEYSTEAD_TICK_SECONDS).
    `run`: called with a JobContext; what it returns is kept as the result (JSON).
    `catch_up`: what becomes of occurrences that nobody ran in time. `latest`: the newest runs,
    however late, the others are left out; `all`: each in its order, the last hundred of them;
    `skip`: none runs any more once its successor is due.
    `timeout`: seconds that a run may take, and each batch of it anew.

    Raises ValueError for what cannot be.
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
        """For how long a claim, or a batch, keeps others away."""
        return timedelta(seconds=self.timeout) + LEASE_MARGIN


def _is_period(seconds: object) -> bool:
    return isinstance(seconds, int) and seconds > 0


def due_at(occurrence: int) -> datetime:
    """Return when an occurrence (Unix seconds) is due."""
    return datetime.fromtimestamp(occurrence, UTC)
