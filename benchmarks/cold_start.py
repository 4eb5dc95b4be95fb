"""How long does a cold start take on AWS Lambda, beside fastapi-users' documented example?

Both run in Lambda's own runtime, each start in a process of its own: ours as `infra/build.py` makes
it, the example as plain `sam build` does. They take turns, and the first pair is thrown away, so
that the files of both have been read before. The first request is one that both answer alike.

    .tox/sqlite/bin/python -m benchmarks.cold_start [--runs 15] [--database sqlite] [--json FILE]
"""

import argparse
import json
import os
import platform
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.dsn import with_driver
from benchmarks.peers import sam
from tests import databases
from tests.databases import database_url
from tests.lambda_.emulator import Emulator
from tests.lambda_.events import Request, http_api, response
from tests.lambda_.service import the_artifact
from tests.service import make_environment, run_command

EXAMPLE = Path(__file__).parent / "peers" / "fastapi_users_example"
WHO_AM_I = http_api(Request("GET", "/users/me"))
OURS, THEIRS = "Keystead", "the example"
PRODUCTION = {
    "environment": "production",
    "base_url": "https://id.example.org",
    "mail_url": "smtps://user:password@mail.example.org",
    "mail_from": "Example <accounts@example.org>",
    "argon2_memory_kib": "19456",
}
VERSIONS = ("fastapi-users", "fastapi", "pydantic", "sqlalchemy", "mangum", "awslambdaric")


@dataclass(frozen=True)
class Start:
    """A cold start: the runtime's own INIT REPORT, until the first answer, and what that took."""

    init_ms: float
    answer_ms: float
    cpu_ms: float
    peak_mb: float


@dataclass(frozen=True)
class Function:
    """What is started: a folder with its handler, and the settings."""

    task: Path
    environment: Mapping[str, str]
    handler: str


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15, help="starts of each that count")
    parser.add_argument("--database", choices=sam.DRIVERS, default="sqlite")
    parser.add_argument("--json", type=Path, help="a file for every single start")
    asked = parser.parse_args()
    with (
        databases.open_server(asked.database) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        databases.use(server)
        functions = {OURS: ours(Path(folder)), THEIRS: theirs(Path(folder), asked.database)}
        pairs = list(measure(functions, asked.runs, Path(folder)))
        about = surroundings(server.version)
    Console().print(in_words(functions, pairs), about)
    if asked.json is not None:
        found = {name: [asdict(pair[name]) for pair in pairs] for name in functions}
        asked.json.write_text(json.dumps({"about": about, "starts": found}, indent=1) + "\n")


def ours(folder: Path) -> Function:
    """Return Keystead with a database at head."""
    environment = make_environment(folder, **PRODUCTION)
    run_command(environment, "migrate")
    return Function(the_artifact(), environment, "handler.handler")


def theirs(folder: Path, database: str) -> Function:
    """Return the example with a database of its own, whose tables its first start makes."""
    own = folder / "theirs"
    own.mkdir()
    settings = {"DATABASE_URL": with_driver(database_url(own)), "SECRET": "s" * 48}
    task = sam.built(EXAMPLE, "Example", database)
    return Function(task, {**os.environ, **settings}, "app.handler")


def measure(
    functions: Mapping[str, Function], runs: int, folder: Path
) -> Iterator[dict[str, Start]]:
    """Start each in turn, in an order that is shuffled but always the same."""
    order = random.Random(1)
    for number in track(range(runs + 1), "Starting…", transient=True):
        names = list(functions)
        order.shuffle(names)
        pair = {name: start(functions[name], folder / f"{name}-{number}") for name in names}
        if number > 0:
            yield pair


def start(function: Function, folder: Path) -> Start:
    """Start it, ask one thing, and end it."""
    emulator = Emulator(
        function.task, function.environment, folder, handler=function.handler, seconds=60
    )
    begun = time.perf_counter()
    with emulator:
        answer = response(emulator.invoke(WHO_AM_I))
        answered = time.perf_counter()
        assert answer.status == 401, answer
        [init] = emulator.init_ms()
        cpu, peak = used(emulator.pid)
    return Start(init, (answered - begun) * 1_000, cpu, peak)


def used(pid: int) -> tuple[float, float]:
    """Return the processor's time in milliseconds, and the most memory in MB."""
    process = Path(f"/proc/{pid}")
    nanoseconds = sum(int(path.read_text().split()[0]) for path in process.glob("task/*/schedstat"))
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
    return nanoseconds / 1_000_000, int(peak) * 1_024 / 1_000_000


def in_words(functions: Mapping[str, Function], pairs: list[dict[str, Start]]) -> Table:
    """Return the table: medians, with the least and the most of the starts and of the ratios."""
    table = Table("", *functions, "ratio", caption="median (least–most)")
    measures: dict[str, Callable[[Start], float]] = {
        "init, ms": lambda start: start.init_ms,
        "first answer, ms": lambda start: start.answer_ms,
        "processor, ms": lambda start: start.cpu_ms,
        "peak memory, MB": lambda start: start.peak_mb,
    }
    for title, value in measures.items():
        columns = {name: [value(pair[name]) for pair in pairs] for name in functions}
        medians = {name: statistics.median(values) for name, values in columns.items()}
        ratios = [value(pair[OURS]) / value(pair[THEIRS]) for pair in pairs]
        table.add_row(
            title,
            *(spread(medians[name], values, ".0f") for name, values in columns.items()),
            spread(medians[OURS] / medians[THEIRS], ratios, ".2f"),
        )
    sizes = {name: size(function.task) for name, function in functions.items()}
    for title, n in (("artifact, MB", 0), ("artifact, files", 1)):
        cells = [f"{sizes[name][n]:.0f}" for name in functions]
        table.add_row(title, *cells, f"{sizes[OURS][n] / sizes[THEIRS][n]:.2f}")
    return table


def spread(middle: float, values: list[float], form: str) -> str:
    return f"{middle:{form}} ({min(values):{form}}–{max(values):{form}})"


def size(folder: Path) -> tuple[float, int]:
    """Return the size in MB and the number of files."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files) / 1_000_000, len(files)


def surroundings(server: str) -> str:
    """Say what it was measured with."""
    python = f"Python {platform.python_version()}"
    versions = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    return f"{os.cpu_count()} cores ({platform.machine()}), {python}, {server}, {versions}"


if __name__ == "__main__":
    main()
