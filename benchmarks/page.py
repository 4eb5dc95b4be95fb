"""docs/performance.md, written from what was found."""

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

Keystead beside three others that do the same, each in an environment of its own:

- *the example*: the application that fastapi-users' documentation puts together, with its JSON Web
  Tokens, served as that says, by uvicorn with its recommended extras;
- *the example, DatabaseStrategy*: the same with logins in the database, which end when they are
  told to, as Keystead's do;
- *better-auth*: as its documentation puts it together, on Node's own server, with its rate limit
  off, because all who ask here have one address, and SQLite's write-ahead log on;

and beside *floors*: the least that answers a request with the same select. Keystead runs as
`keystead serve` runs it, in production's settings: one worker, jobs by the clock, mail into files.

Each round starts everyone anew with a new database, in an order that is shuffled, and asks each for
as long. Figures are medians, with the least and the most of the rounds; so are ratios, each of them
of one round. Databases are on the same machine and commit to its disk.

`python -m benchmarks` does it again: `--help` says how to do a part of it.
"""


class Spread(NamedTuple):
    """What the rounds came to."""

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
            parts += [f"![{row.title}]({name})\n" for name in charts.draw(row, mine)]
            parts.append("".join(_table(row, mine)))
    PAGE.write_text("\n".join(parts))


def _bars(found: list[Found]) -> Iterator[str]:
    """Say of each bar how far it was cleared."""
    yield "## What is promised\n"
    lines = [_line("What", "Promised", "Database", "Measured", "")]
    lines.append("| --- | --- | --- | --: | --- |\n")
    for bar in BARS:
        for each in found:
            if each.row == bar.row and (values := bar.values(each.rounds)):
                spread = spread_of(values)
                kept = "kept" if bar.holds(spread.middle) else "**missed**"
                told = _spell(spread, bar.unit)
                lines.append(_line(bar.title, bar.promise, SERVERS[each.database], told, kept))
    yield "".join(lines)


def _conditions(found: list[Found]) -> Iterator[str]:
    """Say what it was all measured with."""
    yield "## Measured with\n"
    servers = sorted({each.server.partition("-")[0] for each in found})
    machines = sorted({each.machine for each in found})
    versions = sorted({each.versions for each in found})
    rounds = sorted({len(each.rounds) for each in found})
    seconds = sorted({each.seconds for each in found})
    told = {
        "Machine": machines,
        "Databases": [", ".join(servers)],
        "Versions": versions,
        "Rounds": [" or ".join(map(str, rounds))],
        "Each load": [" or ".join(map(str, seconds)) + " s"],
    }
    yield "".join(f"- {name}: {'; '.join(values)}\n" for name, values in told.items())


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
    """Return the median and, in brackets, the rest; with three digits that count."""
    middle, least, most = map(_number, spread)
    return f"{middle}{unit} ({least}–{most})"


def _number(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"
