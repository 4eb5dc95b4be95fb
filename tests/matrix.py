"""Print the number of cases of each kind of test on each database.

python -m tests.matrix migrations|exactly_once [pytest's arguments]; each package's ROWS are the
kinds.
"""

import json
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.databases import KINDS


def run(tests: str, name: str, noted: Path, arguments: list[str]) -> bool:
    """Run the tests on one database; write their numbers of cases to a file."""
    command = [sys.executable, "-m", "pytest", f"tests/{tests}", "--database", name]
    options = ["-q", "-n", "4", "--dist", "worksteal", "--cases", str(noted)]
    return subprocess.run([*command, *options, *arguments]).returncode == 0


def table_of(rows: dict[str, str], found: dict[str, Any]) -> Table:
    table = Table("", "cases", *(found[name]["server"] for name in found))
    for row, title in rows.items():
        table.add_row(row, title, *(str(found[name]["cases"].get(row, 0)) for name in found))
    return table


def main(tests: str, *arguments: str) -> int:
    package = import_module(f"tests.{tests}")
    found, green = {}, True
    with tempfile.TemporaryDirectory() as folder:
        for name in KINDS:
            noted = Path(folder) / f"{name}.json"
            green = run(tests, name, noted, list(arguments)) and green
            found[name] = json.loads(noted.read_text())
    Console(width=120).print(table_of(package.ROWS, found))
    asked = {(row, name) for row in package.ROWS for name in found} - package.NOT_ON
    tried = all(found[name]["cases"].get(row) for row, name in asked)
    return 0 if green and tried else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
