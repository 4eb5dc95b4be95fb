"""Cold starts on AWS Lambda, beside fastapi-users' documented example.

Both run in Lambda's own runtime, each start in a process of its own: Keystead as `infra/build.py`
builds it, the example as plain `sam build` does. The first start is discarded, so that the files
are cached. The first request is one that both answer alike.
"""

import re
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.settings.database_url import with_driver
from benchmarks.contenders import EXAMPLE, KEYSTEAD, SECRET, keystead, surroundings
from benchmarks.environments import PEERS
from benchmarks.peers import sam
from benchmarks.sitting import Measures, Row, Sitting
from tests.aws.emulator import Emulator
from tests.aws.events import Request, http_api, response
from tests.aws.service import the_artifact
from tests.databases import database_url, server
from tests.service import run_command

WHO_AM_I = http_api(Request("GET", "/users/me"))
STARTS = 3


@dataclass(frozen=True)
class Function:
    """A function to start: a folder with its handler, and the settings."""

    task: Path
    environment: Mapping[str, str]
    handler: str


def ours(folder: Path) -> Function:
    """Return Keystead with a database at head."""
    launch = keystead(mail_url="smtps://user:password@mail.example.org")
    environment = {**surroundings(), **launch(database_url(folder), folder, 80).environment}
    run_command(environment, "migrate")
    return Function(the_artifact(), environment, "handler.handler")


def theirs(folder: Path) -> Function:
    """Return the example with a database of its own, whose tables its first start creates."""
    settings = {"DATABASE_URL": with_driver(database_url(folder)), "SECRET": SECRET}
    task = sam.built(PEERS / "fastapi_users_example", "Example", server().name)
    return Function(task, {**surroundings(), **settings}, "app.handler")


def measure(function: Callable[[Path], Function], sitting: Sitting) -> Measures:
    """Start it several times, each in a process of its own, and return the medians."""
    folder = sitting.new_folder()
    made = function(folder)
    found = [start(made, folder / f"start{number}") for number in range(1 + STARTS)][1:]
    medians = {name: statistics.median(one[name] for one in found) for name in found[0]}
    files = [path for path in made.task.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1_000_000
    return {**medians, "artifact, MB": size}


def start(function: Function, folder: Path) -> Measures:
    """Start it, send one request, and end it."""
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
    return {
        "first answer, ms": (answered - begun) * 1_000,
        "init, ms": init,
        "processor, ms": cpu,
        "peak memory, MB": peak,
    }


def used(pid: int) -> tuple[float, float]:
    """Return the processor time in milliseconds, and the peak memory in MB."""
    process = Path(f"/proc/{pid}")
    nanoseconds = sum(int(path.read_text().split()[0]) for path in process.glob("task/*/schedstat"))
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
    return nanoseconds / 1_000_000, int(peak) * 1_024 / 1_000_000


ROW = Row(
    "cold-start",
    "Cold start on AWS Lambda",
    {KEYSTEAD.name: partial(measure, ours), EXAMPLE.name: partial(measure, theirs)},
    "In Lambda's own runtime, by the emulator that AWS's command line has: Keystead as "
    "`sam build` makes it of `infra/`, the example as plain `sam build` makes it.",
)
