"""Plant each defect in a copy of the project, and print the test that detects it.

python -m tests.mutants [WORD...]: only the mutants with one of the words in their names.
python -m tests.mutants --changed: only those whose files or tests changed in the last commits.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.databases import open_server
from tests.mutants import (
    checks,
    clients,
    edge,
    inputs,
    metrics,
    operation,
    planted,
    seams,
    serverless,
    servers,
    sessions,
)
from tests.mutants.planted import Edit, Mutant

MODULES = (
    planted,
    serverless,
    checks,
    seams,
    inputs,
    clients,
    edge,
    servers,
    operation,
    metrics,
    sessions,
)
MUTANTS = [mutant for module in MODULES for mutant in module.MUTANTS]
ROOT = Path(__file__).parents[2]
SECONDS = 600
WORKERS = 2
RECENT = 10  # commits


def copy_project(folder: Path) -> Path:
    """Clone the project, for its history, with the files of the working tree instead of HEAD's.

    Ignored files, and so everything built or measured here, are not copied.
    """
    git = ["git", "-C", str(ROOT)]
    clone = ["clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(folder)]
    subprocess.run([*git, *clone], check=True, timeout=60)
    listed = subprocess.run(
        [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    for name in listed.stdout.split("\0")[:-1]:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def plant(copy: Path, edit: Edit) -> None:
    """Edit a file. Raises ValueError if the text to replace is not in the file any more."""
    path = copy / edit.path
    there = path.read_text() if path.exists() else ""
    if edit.old not in there or bool(edit.old) != path.exists():
        raise ValueError(f"{edit.path} has no {edit.old!r}")
    if edit.new is None:
        path.unlink()
    else:
        path.write_text(there.replace(edit.old, edit.new) if edit.old else edit.new)


def reason(fault: ElementTree.Element) -> str:
    """Return the exception, without the lines of source that led to it."""
    lines = (fault.text or "").splitlines()
    return "\n".join(line for line in lines if line.startswith("E ")) or "skipped"


def run(
    copy: Path, database: str, tests: Iterable[str], addresses: dict[str, str]
) -> dict[str, str]:
    """Run `tests` in the copy; return the failure of each, "" if it passed.

    Raises RuntimeError, with the output, if they could not be run at all.
    """
    report, log, temporary = (copy.with_suffix(suffix) for suffix in (".xml", ".log", ".tmp"))
    command = [sys.executable, "-m", "pytest", *tests]
    # The JUnit format that has room for the properties our tests record.
    options = ["--junit-xml", str(report), "-o", "junit_family=xunit1", "--tb", "short", "-vv"]
    apart = ["--database", database, "--basetemp", str(temporary), "-p", "no:cacheprovider"]
    # The working directory precedes the installed project on the path; the variable says the same
    # to processes that start elsewhere.
    # Compiled files are shared by all copies: the libraries would be compiled at every start.
    bytecode = str(copy.parent / "bytecode")
    environment = (
        os.environ | addresses | {"PYTHONPATH": str(copy), "PYTHONPYCACHEPREFIX": bytecode}
    )
    with log.open("w") as printed:
        subprocess.run(
            [*command, *options, *apart],
            cwd=copy,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            timeout=SECONDS,
        )
    said = {}
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():
        faults = [fault for kind in ("failure", "error", "skipped") for fault in case.findall(kind)]
        said[case.attrib["name"]] = "\n".join(map(reason, faults))
    if not said:
        raise RuntimeError(log.read_text()[-3_000:])
    return said


class Hunt:
    """Runs tests in copies, each in `folder`, on shared servers."""

    def __init__(self, folder: Path, addresses: dict[str, str]) -> None:
        self.folder = folder
        self.addresses = addresses

    def control(self, database: str, tests: Iterable[str]) -> str:
        """Run `tests` without a defect; return the failures."""
        copy = copy_project(self.folder / f"sound-{database}")
        said = run(copy, database, tests, self.addresses)
        return "\n".join(f"{test} on {database}: {text}" for test, text in said.items() if text)

    def hunt(self, mutant: Mutant, database: str) -> tuple[bool, str]:
        """Return whether the mutant was detected, and by which tests, or the failure instead."""
        copy = copy_project(self.folder / f"{MUTANTS.index(mutant)}-{database}")
        try:
            for edit in mutant.edits:
                plant(copy, edit)
            said = run(copy, database, [mutant.test], self.addresses)
        except (ValueError, RuntimeError, subprocess.TimeoutExpired) as error:
            return False, f"not tried: {error}"
        finally:
            # Read-only files are removed later, with the folder of all copies.
            shutil.rmtree(copy, ignore_errors=True)
        caught_by = [test for test, text in said.items() if re.search(mutant.says, text)]
        if caught_by:
            return True, "\n".join(caught_by)
        others = "\n".join(filter(None, said.values()))[:500]
        return False, f"red for another reason: {others}" if others else "not detected"


def changed_files() -> set[str]:
    """Return the files that the last RECENT commits changed. A shallow clone has fewer."""
    log = ["git", "-C", str(ROOT), "log", f"--max-count={RECENT}", "--name-only", "--format="]
    return set(subprocess.run(log, stdout=subprocess.PIPE, text=True, check=True).stdout.split())


def choose(words: tuple[str, ...]) -> list[Mutant]:
    """Return the mutants that the arguments ask for."""
    if words == ("--changed",):
        changed = changed_files()
        return [
            one
            for one in MUTANTS
            if {edit.path for edit in one.edits} & changed or one.test.partition("::")[0] in changed
        ]
    return [one for one in MUTANTS if not words or any(word in one.name for word in words)]


def main(*words: str) -> int:
    chosen = choose(words)
    pairs = [(one, database) for one in chosen for database in one.databases]
    tests: dict[str, list[str]] = {}
    for mutant, database in pairs:
        tests.setdefault(database, []).append(mutant.test)
    console = Console(width=140)
    if words == ("--changed",):
        reason = f"a file or test of theirs changed in the last {RECENT} commits"
        console.print(f"{len(chosen)} of {len(MUTANTS)} mutants: {reason}")
    if not chosen:
        return 0
    with (
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as servers,
        ThreadPoolExecutor(WORKERS) as threads,
    ):
        addresses = {
            f"TEST_{database.upper()}_URL": servers.enter_context(open_server(database)).address
            for database in tests
        }
        hunt = Hunt(Path(folder), addresses)
        broken = "\n".join(filter(None, threads.map(hunt.control, tests, tests.values())))
        if broken:
            console.print("failed without a defect:", broken, markup=False)
            return 1
        found = list(threads.map(hunt.hunt, *zip(*pairs, strict=True)))
    table = Table("mutant", "database", "detected by")
    for (mutant, database), (caught, by) in zip(pairs, found, strict=True):
        table.add_row(mutant.name, database, Text(by, style="" if caught else "red"))
    console.print(table)
    return 0 if all(caught for caught, _ in found) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
