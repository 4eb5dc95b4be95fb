"""The promised bars: each a median over the rounds of one run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import sub, truediv

from benchmarks.sitting import OURS, Measures

NO_LEAST, NO_MOST = float("-inf"), float("inf")

Value = tuple[str, str]
"""A subject, and the name of one of its measures."""


@dataclass(frozen=True)
class Bar:
    """A limit to `value`, or to `value` and `other` combined by `how`.

    `limit`: the reason why a bar is missed.
    """

    title: str
    row: str
    value: Value
    other: Value | None = None
    how: Callable[[float, float], float] = truediv
    least: float = NO_LEAST
    most: float = NO_MOST
    unit: str = ""
    limit: str = ""

    @property
    def promise(self) -> str:
        limit, word = (self.most, "≤") if self.least == NO_LEAST else (self.least, "≥")
        return f"{word} {limit:g}{self.unit}"

    def holds(self, value: float) -> bool:
        return self.least <= value <= self.most

    def values(self, rounds: Sequence[dict[str, Measures]]) -> list[float]:
        """Return the value of each round; none if it was not measured."""
        subjects = {self.value[0], (self.other or self.value)[0]}
        return [self._of(one) for one in rounds if subjects <= one.keys()]

    def _of(self, one: dict[str, Measures]) -> float:
        subject, name = self.value
        if self.other is None:
            return one[subject][name]
        return self.how(one[subject][name], one[self.other[0]][self.other[1]])


EXAMPLE, BETTER_AUTH = "the example", "better-auth"
BARE = "a bare handler"
EQUAL = "Keystead, the example's hash"


def over(
    title: str,
    row: str,
    other: str,
    name: str,
    *,
    value: str = OURS,
    least: float = NO_LEAST,
    most: float = NO_MOST,
    limit: str = "",
) -> Bar:
    """Return a bar for the ratio of Keystead's measure to another subject's."""
    return Bar(title, row, (value, name), (other, name), least=least, most=most, limit=limit)


def flat(what: str) -> Bar:
    """Return a bar for the growth of a time with a million users."""
    title, subject = f"{what}, a million users ÷ a thousand", f"{OURS}: {what}"
    return Bar(
        title,
        "growth",
        (subject, "1,000,000 users, ms"),
        (subject, "1,000 users, ms"),
        most=1.1,
    )


BARS = (
    over("who-am-I ÷ the example's", "who-am-i", EXAMPLE, "a second", least=4),
    over(
        "who-am-I ÷ better-auth's",
        "who-am-i",
        BETTER_AUTH,
        "a second",
        least=2.5,
        limit="on PostgreSQL, Starlette with SQLAlchemy and nothing else is not there either",
    ),
    Bar("who-am-I under a login storm, p99", "storm", (OURS, "p99, ms"), most=20, unit=" ms"),
    Bar(
        "who-am-I under a login storm, p99 ÷ idle",
        "storm",
        (OURS, "p99, ms"),
        (OURS, "p99 idle, ms"),
        most=8,
    ),
    over("logins, 8 at once ÷ the example's", "logins", EXAMPLE, "a second", least=6),
    over("logins, 8 at once ÷ better-auth's", "logins", BETTER_AUTH, "a second", least=2.5),
    over(
        "logins, 8 at once, equal hashes ÷ the example's",
        "logins",
        EXAMPLE,
        "a second",
        value=EQUAL,
        least=1,
    ),
    over(
        "memory in 100 logins, at most ÷ the example's",
        "memory",
        EXAMPLE,
        "at most in 100 logins, MB",
        most=0.85,
        limit="of 98 MB at rest, 92 are libraries that answer requests (8 of it cryptography, "
        "which PyJWT imports where it is there, and nobody uses), 6 are those of the command; the "
        "hash of each core is 20 more",
    ),
    over("import ÷ the example's", "import", EXAMPLE, "user CPU, ms", most=0.95),
    over("cold start ÷ the example's", "cold-start", EXAMPLE, "first answer, ms", most=0.35),
    Bar(
        "warm invocation − the bare handler's",
        "warm-lambda",
        (OURS, "p50, µs"),
        (BARE, "p50, µs"),
        how=sub,
        most=100,
        unit=" µs",
        limit="FastAPI with one route behind Mangum takes nearly all of it; a select by SQLAlchemy "
        "is 60 µs more, the limit to its time 30, a line of the log 25; on PostgreSQL a third is "
        "the question whether the connection is there, for the sandbox may have slept, and two "
        "fifths the select's way by SQLAlchemy's pool, greenlet and driver",
    ),
    *map(flat, ("login", "look-up", "list, first page", "list, deep page", "search")),
)
