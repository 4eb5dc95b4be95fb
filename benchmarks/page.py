"""docs/performance.md, written from the measurements."""

import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks import charts
from benchmarks.bars import BARS
from benchmarks.environments import ROOT
from benchmarks.results import Found, read
from benchmarks.sitting import OURS, SERVERS, Measures, Row

PAGE = ROOT / "docs" / "performance.md"
INTRODUCTION = """\
# Performance

Keystead beside three services of the same kind, each in an environment of its own:

- *the example*: the application of fastapi-users' documentation, with its JSON Web Tokens, on
  uvicorn with its recommended extras. It hashes with its library's default, Argon2id with 64 MiB,
  three passes and four lanes;
- *the example, DatabaseStrategy*: the same with sessions in the database, which can be revoked
  like Keystead's;
- *better-auth*: as in its documentation, on Node's own server, with its rate limit off, because
  all clients have one address, and SQLite's write-ahead log on. It hashes with scrypt, N = 16,384
  and r = 16, which takes 32 MiB.

Keystead runs by `keystead serve` with production's settings: one worker, the local loop, mail to
files. It hashes with OWASP's minimum, Argon2id with 19 MiB, two passes and one lane; *Keystead,
the example's hash* has the example's parameters.

*Bare* frameworks answer with the same select and nothing else. They are no upper limit on SQLite:
SQLAlchemy's asynchronous engine hops to a thread four times for each statement there.

Each round starts every contender with a new database, in shuffled order, and loads it for the
same time in closed loops. Clients, databases and their disk are on the same machine. Figures are
medians, with the minimum and maximum of the rounds in brackets. A ratio is taken within each
round, under the same load of the machine: its median is not the ratio of the medians beside it.
High is better for rates, low for times and memory.

[CONTRIBUTING](../CONTRIBUTING.md) has the command; [performance.json](performance.json) has each
round.
"""


class Spread(NamedTuple):
    """Median, minimum and maximum of the rounds."""

    middle: float
    least: float
    most: float


def write(rows: Sequence[Row]) -> None:
    """Write the page and its charts."""
    found = {(each.row, each.database): each for each in read()}
    parts = [INTRODUCTION, *_bars(list(found.values())), *_conditions(list(found.values()))]
    for row in rows:
        mine = [found[row.name, name] for name in SERVERS if (row.name, name) in found]
        if mine:
            parts.append(f"## {row.title}\n")
            parts += [f"{row.about}\n"] if row.about else []
            parts.append("".join(_when(mine)))
            parts += [f"![{row.title}]({name})\n" for name in charts.draw(row, mine)]
            parts.append("".join(_table(row, mine)))
    PAGE.write_text("\n".join(parts))


def _bars(found: list[Found]) -> Iterator[str]:
    """Yield the table of the promised bars."""
    yield "## Promised\n"
    lines = [_line("Measure", "Promised", "Database", "Measured", "")]
    lines.append("| --- | --- | --- | --: | --- |\n")
    limits = {}
    for bar in BARS:
        for each in found:
            if each.row == bar.row and (values := bar.values(each.rounds)):
                spread = spread_of(values)
                kept = "kept" if bar.holds(spread.middle) else "**missed**"
                if not bar.holds(spread.middle) and bar.limit:
                    limits[bar.title] = bar.limit
                told = _spell(spread, bar.unit)
                lines.append(_line(bar.title, bar.promise, SERVERS[each.database], told, kept))
    yield "".join(lines)
    yield "".join(f"- *{title}*: {limit}.\n" for title, limit in limits.items())


def _conditions(found: list[Found]) -> Iterator[str]:
    """Yield machine, databases and versions."""
    yield "## Measured with\n"
    servers = sorted({each.server.partition("-")[0] for each in found})
    machines = sorted({each.machine for each in found})
    versions = sorted({each.versions for each in found})
    told = {
        "Machine": machines,
        "Databases": [", ".join(servers)],
        "Versions": versions,
    }
    yield "".join(f"- {name}: {'; '.join(values)}\n" for name, values in told.items())


def _when(found: list[Found]) -> Iterator[str]:
    """Yield the number of rounds, their duration, day and commit."""
    told: dict[str, list[str]] = {}
    for each in found:
        often = "One round" if len(each.rounds) == 1 else f"{len(each.rounds)} rounds"
        how = f"{often} of {each.seconds} s, {each.day}, Keystead {each.commit}"
        told.setdefault(how, []).append(SERVERS[each.database])
    for how, servers in told.items():
        yield f"*{how}{'' if len(told) == 1 else ': ' + ', '.join(servers)}.*  \n"


def _table(row: Row, found: list[Found]) -> Iterator[str]:
    names = list(dict.fromkeys(name for each in found for name in _measured(each)))
    against = [] if row.alone else [row.comparison]
    yield _line("Database", "", *names, *against)
    yield _line("---", "---", *(["--:"] * (len(names) + len(against))))
    for each in found:
        for subject in each.rounds[0]:
            cells = [_cell(each, subject, name) for name in names]
            ratios = [_against(row, each, subject, names[0])] if against else []
            yield _line(SERVERS[each.database], subject, *cells, *ratios)


def _measured(found: Found) -> Iterator[str]:
    for measures in found.rounds[0].values():
        yield from measures


def _cell(found: Found, subject: str, name: str) -> str:
    values = [one[subject][name] for one in found.rounds if name in one[subject]]
    return _spell(spread_of(values)) if values else "–"


def _against(row: Row, found: Found, subject: str, name: str) -> str:
    """Compare Keystead's first measure with the subject's, round by round."""
    compare = difference if row.by_difference else ratio
    if subject == OURS or OURS not in found.rounds[0]:
        return ""
    return _spell(spread_of([compare(one[OURS], one[subject], name) for one in found.rounds]))


def ratio(ours: Measures, theirs: Measures, name: str) -> float:
    return ours[name] / theirs[name]


def difference(ours: Measures, theirs: Measures, name: str) -> float:
    return ours[name] - theirs[name]


def spread_of(values: list[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def _spell(spread: Spread, unit: str = "") -> str:
    """Return the median and, in brackets, minimum and maximum, with three significant digits."""
    middle, least, most = map(_number, spread)
    around = "" if least == most else f" ({least}–{most})"
    return f"{middle}{unit}{around}"


def _number(value: float) -> str:
    sizes = {100: 0, 10: 1, 0.1: 2, 0.0001: 4, 0: 0}
    digits = next(digits for size, digits in sizes.items() if abs(value) >= size)
    return f"{value:,.{digits}f}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"
