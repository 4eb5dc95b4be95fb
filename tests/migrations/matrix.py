"""Prints what was tried of each kind of test on each database: python -m tests.migrations.matrix"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.databases import KINDS

ROWS = {
    "a": "up, down, up: rows that are the same",
    "b": "rows of old revisions, read at head by the application",
    "c": "kill -9 after a statement, then run again",
    "d": "migrators at once, one killed in the lock",
    "e": "lines of the schema that are the models'",
    "f": "constraints that refuse, keys that tell apart",
    "g": "dirty data: refused or converged",
    "h": "offline SQL, executed",
    "i": "contract tests of the release before",
    "j": "revisions whose locks were looked at",
    "k": "landed revisions and names, unchanged",
}


def run(name: str, noted: Path) -> bool:
    """Run the migration tests on one database; note their cases in a file."""
    command = [sys.executable, "-m", "pytest", "tests/migrations", "--database", name]
    options = ["-q", "-n", "2", "--dist", "worksteal", "--cases", str(noted)]
    return subprocess.run([*command, *options, *sys.argv[1:]]).returncode == 0


def table_of(found: dict[str, Any]) -> Table:
    table = Table("", "cases", *(found[name]["server"] for name in found))
    for row, title in ROWS.items():
        table.add_row(row, title, *(str(found[name]["cases"].get(row, 0)) for name in found))
    return table


def main() -> int:
    found, green = {}, True
    with tempfile.TemporaryDirectory() as folder:
        for name in KINDS:
            noted = Path(folder) / f"{name}.json"
            green = run(name, noted) and green
            found[name] = json.loads(noted.read_text())
    Console(width=120).print(table_of(found))
    tried = all(found[name]["cases"].get(row) for name in found for row in ROWS)
    return 0 if green and tried else 1


if __name__ == "__main__":
    sys.exit(main())
