"""Measure Keystead and its peers, and write the results to docs/performance.md.

.venv/bin/tox -e benchmark [-- ROW … --databases sqlite … --rounds 5 --seconds 5]

A row replaces its last measurement after its last round; the other rows stay.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from importlib.util import find_spec
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
    """Measure, then write the page."""
    # SIGTERM unwinds like Ctrl-C, so that every server is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    asked = arguments()
    for name in asked.databases or databases.KINDS:
        wanted = [ROWS[row] for row in asked.rows or ROWS if name in ROWS[row].databases]
        sit(name, wanted, asked.rounds, asked.seconds)
    page.write(list(ROWS.values()))


def arguments() -> argparse.Namespace:
    """Return the rows to measure and the options; exit if they cannot be measured."""
    parser = argparse.ArgumentParser(
        prog="benchmarks",
        description=__doc__.partition("\n")[0],
        epilog="rows: " + "; ".join(f"{row.name}, {row.title.lower()}" for row in ROWS.values()),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="measure these alone")
    parser.add_argument(
        "--databases", nargs="+", choices=databases.KINDS, help="on these alone", default=[]
    )
    parser.add_argument("--rounds", type=positive, default=5, help="how often")
    parser.add_argument("--seconds", type=positive, default=5, help="how long each load lasts")
    asked = parser.parse_args()
    for name in asked.rows:
        if name not in ROWS:
            parser.error(f"no such row: {name}")
        if asked.databases and not set(asked.databases) & set(ROWS[name].databases):
            parser.error(f"{name} is measured on {', '.join(ROWS[name].databases)} alone")
    if find_spec("matplotlib") is None:
        parser.error("charts need matplotlib: run me by `.venv/bin/tox -e benchmark`")
    if shutil.which("npm") is None:
        parser.error("better-auth needs npm, which is a package of Debian's")
    return asked


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


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
            for one in rounds(row, sitting, number, console.print):
                found.append(one)
                console.print(row.name, database, one)
            results.keep(row, database, server.version, seconds, found)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
