"""One sitting of measurements: a running database server, and rounds in shuffled order."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

OURS = "Keystead"
OTHERS_DATABASES = ("sqlite", "postgres")
SERVERS = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB"}
ALL_DATABASES = tuple(SERVERS)

Measures = Mapping[str, float]
"""Measured values, by name and unit."""


@dataclass(frozen=True)
class Sitting:
    """`seconds`: the duration of a load. `folder`: for the contenders' files."""

    database: str
    folder: Path
    seconds: int

    def new_folder(self) -> Path:
        """Make and return a folder, which has no database yet."""
        folder = self.folder / uuid4().hex[:8]
        folder.mkdir()
        return folder


@dataclass(frozen=True)
class Row:
    """A row of the page.

    `subjects`: by name, the functions that measure each once. Keystead's first measure is compared
    with each other subject's, as a ratio or `by_difference`. On MySQL and MariaDB, Keystead's
    subjects are measured alone.
    """

    name: str
    title: str
    subjects: Mapping[str, Callable[[Sitting], Measures]]
    about: str = ""
    databases: tuple[str, ...] = OTHERS_DATABASES
    by_difference: bool = False
    chart: Literal["bars", "storm", "growth"] | None = None

    @property
    def alone(self) -> bool:
        """Whether there is no subject to compare Keystead with."""
        return OURS not in self.subjects or len(self.subjects) == 1

    @property
    def comparison(self) -> str:
        return "Keystead − this" if self.by_difference else "Keystead ÷ this"


def rounds(
    row: Row, sitting: Sitting, number: int, tell: Callable[[str], None]
) -> Iterator[dict[str, Measures]]:
    """Measure every subject once a round, in an order that is shuffled anew each time.

    `tell` is called with the next one.
    """
    alone = sitting.database not in OTHERS_DATABASES
    names = [name for name in row.subjects if not alone or name.startswith(OURS)]
    order = random.Random(1)
    for turn in range(1, number + 1):
        order.shuffle(names)
        found = {}
        for name in names:
            tell(f"{row.name} on {SERVERS[sitting.database]}, round {turn} of {number}: {name}")
            found[name] = row.subjects[name](sitting)
        yield {name: found[name] for name in row.subjects if name in found}
