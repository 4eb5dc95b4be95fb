"""The time of a server until its first answer, and of the import of its application."""

import resource
import statistics
import subprocess
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders import (
    EXAMPLE,
    KEYSTEAD,
    SERVICES,
    Contender,
    surroundings,
)
from benchmarks.server import Server
from benchmarks.sitting import Measures, Row, Sitting
from tests.databases import database_url

TIMES = 3


def start(contender: Contender, sitting: Sitting) -> Measures:
    """Start it on a migrated database."""
    folder = sitting.new_folder()
    seconds = []
    for _ in range(1 + TIMES):
        with Server(contender, folder) as server:
            seconds.append(server.start_seconds)
    return {"first answer, ms": statistics.median(seconds[1:]) * 1_000}


class Import(NamedTuple):
    """The time of an import, and its processor time in user mode; in milliseconds."""

    wall: float
    user: float


def import_(contender: Contender, module: str, sitting: Sitting) -> Measures:
    """Import its application in a process of its own."""
    folder = sitting.new_folder()
    launch = contender.launch(database_url(folder), folder, 0)
    command = [launch.command[0], "-c", f"from {module} import app"]
    found = [_run(command, launch.environment, folder) for _ in range(1 + TIMES)][1:]
    return {
        "user CPU, ms": statistics.median(each.user for each in found),
        "wall, ms": statistics.median(each.wall for each in found),
    }


def _run(command: list[str], environment: Mapping[str, str], folder: Path) -> Import:
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, time.perf_counter()
    subprocess.run(command, cwd=folder, env={**surroundings(), **environment}, check=True)
    wall = time.perf_counter() - begun
    user = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    return Import(wall * 1_000, user * 1_000)


START = Row(
    "start",
    "Process start to first answer",
    {each.name: partial(start, each) for each in SERVICES},
    "On a database that is up to date; Keystead and the example look whether it is. Keystead's "
    "command reads its arguments and settings before it imports the application.",
)
IMPORT = Row(
    "import",
    "Import",
    {
        KEYSTEAD.name: partial(import_, KEYSTEAD, "app.main"),
        EXAMPLE.name: partial(import_, EXAMPLE, "app"),
    },
    "The module that has the application, with Python's own start.",
    databases=("sqlite",),
)
