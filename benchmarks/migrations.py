"""The time of each revision, and of concurrent reads and writes, with many users.

.tox/sqlite/bin/python -m benchmarks.migrations [USERS] [DATABASE …]

Writes the table at the end of docs/migrations-at-a-million.md; and its chart, with the dependency
group `benchmark`.
"""

import asyncio
import math
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.schema.revisions import ROOT, names
from tests import databases
from tests.databases import database_url, in_database
from tests.databases.server import open_engine
from tests.migrations.history import REVISIONS, config, fill, rows_of, upgrade
from tests.migrations.rows.r0001 import ARGON2

PAGE = ROOT / "docs/migrations-at-a-million.md"
CHART = ROOT / "docs/performance-migrations.svg"
HEADER = "| Database | Revision | Takes | Longest read | Longest write |\n"
# Between two statements: the load of a service, not of a stress test.
PAUSE = 0.005
STATEMENTS = {
    "read": "SELECT email FROM user_account WHERE id = :id",
    "write": "UPDATE user_account SET hashed_password = :password WHERE id = :id",
}
DIGITS = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
ACCOUNTS = """
INSERT INTO user_account SELECT {id}, {email}, {email}, '{hash}', true, false, false,
    '2026-07-01 12:30:15.000000' FROM {numbers}
"""
LOGINS = """
INSERT INTO user_session (id, user_id, created_at, expires_at)
    SELECT {id}, {id}, '2026-07-01 12:30:15.000000',
    '2126-07-01 12:30:15.000000' FROM {numbers}
"""
SPELLINGS = {
    "sqlite": {"id": "printf('%032d', n)", "email": "'user' || n || '@camelot.bt'"},
    "postgres": {"id": "lpad(n::text, 32, '0')::uuid", "email": "'user' || n || '@camelot.bt'"},
    "mysql": {"id": "lpad(n, 32, '0')", "email": "concat('user', n, '@camelot.bt')"},
}
SPELLINGS["mariadb"] = SPELLINGS["mysql"]

# One process each: they do not delay each other. A fork server imports once.
_context = get_context("forkserver")
_context.set_forkserver_preload(
    ["tests.migrations.history", "app.models", "aiosqlite", "asyncpg", "aiomysql"]
)


class Measured(NamedTuple):
    """The time of a revision, and the longest concurrent statements by key; in seconds."""

    database: str
    revision: str
    took: float
    read: float
    write: float


def main() -> None:
    """Measure, and write the page."""
    users = int(sys.argv[1]) if sys.argv[1:] else 1_000_000
    found: list[Measured] = []
    for name in sys.argv[2:] or databases.KINDS:
        with databases.open_server(name) as server, tempfile.TemporaryDirectory() as folder:
            databases.use(server)
            for measured in measure(Path(folder), users):
                print(*measured, flush=True)
                found.append(measured)
    before, _, _ = PAGE.read_text().partition(HEADER)
    PAGE.write_text(before + HEADER + "| --- | --- | --: | --: | --: |\n" + "".join(rows(found)))
    if find_spec("matplotlib") is not None:
        draw(found)


def measure(folder: Path, users: int) -> Iterator[Measured]:
    """Migrate a database of `users` accounts, each with a session, from 0001 to head."""
    name = databases.server().name
    numbers = numbers_below(users)
    upgrade(folder, REVISIONS[0])
    in_database(folder, ACCOUNTS.format(**SPELLINGS[name], hash=ARGON2, numbers=numbers))
    yield while_used(folder, None, users)
    for revision in REVISIONS[1:]:
        yield while_used(folder, revision, users)
        if revision == "0002":
            in_database(folder, LOGINS.format(**SPELLINGS[name], numbers=numbers))
        if revision == "0004":
            fill(folder, {"tick_job": rows_of(revision).ROWS["tick_job"]})


def numbers_below(limit: int) -> str:
    """Return a subquery of the numbers `n` below `limit`, in SQL that all four know."""
    places = range(len(str(limit - 1)))
    number = " + ".join(f"{10**place} * d{place}.d" for place in places)
    digits = ", ".join(f"({DIGITS}) AS d{place}" for place in places)
    return f"(SELECT * FROM (SELECT {number} AS n FROM {digits}) AS a WHERE n < {limit}) AS b"


def while_used(folder: Path, revision: str | None, users: int) -> Measured:
    """Upgrade to `revision`, or sleep for two seconds, while other processes read and write."""
    url = database_url(folder)
    with using(url, "read", users) as read, using(url, "write", users) as write:
        time.sleep(0.5)
        read.value = write.value = 0
        took = _context.Value("d", math.nan)
        if revision is None:
            time.sleep(2)
        else:
            migrator = _context.Process(target=_migrate, args=(url, revision, took))
            migrator.start()
            migrator.join()
            assert migrator.exitcode == 0
    title = f"{revision} {names()[revision]}" if revision else "no revision"
    server = databases.server().version.partition("-")[0]
    return Measured(server, title, took.value, read.value, write.value)


def _migrate(url: str, revision: str, took: Any) -> None:
    begun = time.perf_counter()
    command.upgrade(config(url), revision)
    took.value = time.perf_counter() - begun


@contextmanager
def using(url: str, what: str, users: int) -> Iterator[Any]:
    """Read or write by key in a process; give the longest time of a statement so far."""
    worst, ready, over = _context.Value("d", 0), _context.Event(), _context.Event()
    user = _context.Process(target=_use, args=(url, what, users, worst, ready, over))
    user.start()
    ready.wait()
    try:
        yield worst
    finally:
        over.set()
        user.join()


def _use(url: str, what: str, users: int, worst: Any, ready: Any, over: Any) -> None:
    asyncio.run(_ask_on(url, what, users, worst, ready, over))


async def _ask_on(url: str, what: str, users: int, worst: Any, ready: Any, over: Any) -> None:
    engine = open_engine(url)
    statement = text(STATEMENTS[what])
    async with engine.connect() as connection:
        while not over.is_set():
            id_ = UUID(f"{random.randrange(users):032d}")
            key = id_ if engine.dialect.name == "postgresql" else id_.hex
            values = {"id": key}
            if what == "write":
                values["password"] = random.randbytes(40).hex()
            begun = time.perf_counter()
            while True:
                try:
                    await connection.execute(statement, values)
                    break
                except DBAPIError as error:
                    # A retry continues the same wait.
                    print(f"a {what} failed: {error.orig}", flush=True)
            worst.value = max(worst.value, time.perf_counter() - begun)
            ready.set()
            await asyncio.sleep(PAUSE)
    await engine.dispose()


def rows(found: list[Measured]) -> Iterator[str]:
    for one in found:
        times = map(spell, (one.took, one.read, one.write))
        yield f"| {one.database} | {one.revision} | {' | '.join(times)} |\n"


def spell(seconds: float) -> str:
    """Format as 12.3 s, 0.34 s or 7 ms."""
    if math.isnan(seconds):
        return "–"
    if seconds < 0.095:
        return f"{seconds * 1_000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"


def draw(found: list[Measured]) -> None:
    """Draw a panel for each database, a line for each revision."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "", "font.size": 9})
    from matplotlib import pyplot

    servers = list(dict.fromkeys(one.database for one in found))
    figure, axes = pyplot.subplots(
        1,
        len(servers),
        sharex=True,
        sharey=True,
        figsize=(10, 2.8),
        layout="constrained",
        squeeze=False,
    )
    for axis, server in zip(axes[0], servers, strict=True):
        ours = [one for one in found if one.database == server]
        titles = [one.revision for one in ours]
        axis.hlines(
            titles,
            [min(one.read, one.write) for one in ours],
            [max(one.write, one.took) for one in ours],
            color="0.85",
        )
        for label, mark, colour, values in (
            ("the revision takes", "|", "black", [one.took for one in ours]),
            ("longest read meanwhile", "o", "#2a7fb8", [one.read for one in ours]),
            ("longest write meanwhile", "s", "#d1603d", [one.write for one in ours]),
        ):
            axis.plot(values, titles, mark, color=colour, label=label, markersize=5, alpha=0.9)
        axis.set(title=server, xscale="log", xlabel="seconds")
        axis.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
        axis.minorticks_off()
        axis.grid(axis="x", color="0.9")
        axis.set_axisbelow(True)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(left=False)
    axes[0][0].invert_yaxis()
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
    )
    figure.savefig(CHART, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
