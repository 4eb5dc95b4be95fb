"""Measures Keystead beside others, and writes docs/performance.md after all rows, or when told to.

    .tox/sqlite/bin/python -m benchmarks [ROW …] [--databases sqlite …] [--rounds 5] [--seconds 5]
    .tox/sqlite/bin/python -m benchmarks --write

What is found goes to .cache/benchmarks/results.json at once, a row in the place of what it was
before, so that rows can be measured in several sittings; all of them take about two
hours. Charts need the dependency group `benchmark`.
"""

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import (
    cold_start,
    growth,
    logins,
    memory,
    page,
    results,
    starts,
    storm,
    warm_lambda,
    who_am_i,
    work,
)
from benchmarks.durable import open_server
from benchmarks.sitting import Row, Sitting, rounds
from tests import databases

ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        who_am_i.ROW,
        logins.LOGIN,
        logins.LOGINS,
        logins.REGISTER,
        storm.ROW,
        memory.ROW,
        starts.START,
        starts.IMPORT,
        cold_start.ROW,
        warm_lambda.ROW,
        work.ROW,
        growth.ROW,
    )
}


def main() -> None:
    """Measure, or write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--databases", nargs="+", choices=databases.KINDS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="how long each load lasts")
    parser.add_argument("--write", action="store_true", help="write the page, and measure nothing")
    asked = parser.parse_args()
    if unknown := set(asked.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(unknown)}")
    if not asked.write:
        for name in asked.databases or databases.KINDS:
            wanted = [ROWS[row] for row in asked.rows or ROWS if name in ROWS[row].databases]
            sit(name, wanted, asked.rounds, asked.seconds)
    if asked.write or not asked.rows:
        page.write(list(ROWS.values()))


def sit(database: str, rows: list[Row], number: int, seconds: int) -> None:
    """Measure `rows` on one database."""
    if not rows:
        return
    console = Console(stderr=True)
    with open_server(database) as server, tempfile.TemporaryDirectory() as folder:
        databases.use(server)
        sitting = Sitting(database, Path(folder), seconds)
        for row in rows:
            found = []
            for one in rounds(row, sitting, number):
                found.append(one)
                console.print(row.name, database, one)
                results.keep(row, database, server.version, seconds, found)


main()
