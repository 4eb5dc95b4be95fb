"""What Keystead promises, as figures of one run: a median of the rounds' own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import truediv

from benchmarks.sitting import OURS, Measures

Value = tuple[str, str]
"""A subject, and the name of what was measured of it."""


@dataclass(frozen=True)
class Bar:
    """`value`, or that and `other` as `how` combines them, is at least or at most so much."""

    title: str
    row: str
    value: Value
    other: Value | None = None
    how: Callable[[float, float], float] = truediv
    least: float = float("-inf")
    most: float = float("inf")
    unit: str = ""

    @property
    def promise(self) -> str:
        limit, word = (self.most, "≤") if self.least == float("-inf") else (self.least, "≥")
        return f"{word} {limit:g}{self.unit}"

    def holds(self, value: float) -> bool:
        return self.least <= value <= self.most

    def values(self, rounds: Sequence[dict[str, Measures]]) -> list[float]:
        """Return the value of each round; none where it was not measured."""
        subjects = {self.value[0], (self.other or self.value)[0]}
        return [self._of(one) for one in rounds if subjects <= one.keys()]

    def _of(self, one: dict[str, Measures]) -> float:
        subject, name = self.value
        if self.other is None:
            return one[subject][name]
        return self.how(one[subject][name], one[self.other[0]][self.other[1]])


EXAMPLE, BETTER_AUTH = "the example", "better-auth"

BARS = (
    Bar(
        "who-am-I, as often as the example",
        "who-am-i",
        (OURS, "a second"),
        (EXAMPLE, "a second"),
        least=4,
    ),
    Bar(
        "who-am-I, as often as better-auth",
        "who-am-i",
        (OURS, "a second"),
        (BETTER_AUTH, "a second"),
        least=2.5,
    ),
)
