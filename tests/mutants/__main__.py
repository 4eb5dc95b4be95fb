"""Plants each defect in a copy of the project, and tells which test went red for it.

python -m tests.mutants [WORD...]: those alone whose names have one of the words in them.
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
from tests.mutants import checks, planted, serverless
from tests.mutants.planted import Edit, Mutant

MUTANTS = [*planted.MUTANTS, *serverless.MUTANTS, *checks.MUTANTS]
ROOT = Path(__file__).parents[2]
SECONDS = 600
WORKERS = 2


def copy_project(folder: Path) -> Path:
    """Clone the project, for its history, and give the clone the files as they are, not as of HEAD.

    Ignored files stay behind, and with them all that was built or measured here.
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
    """Raises ValueError if there is nothing to edit: the project has moved on, the list has not."""
    path = copy / edit.path
    there = path.read_text() if path.exists() else ""
    if edit.old not in there or bool(edit.old) != path.exists():
        raise ValueError(f"{edit.path} has no {edit.old!r}")
    if edit.new is None:
        path.unlink()
    else:
        path.write_text(there.replace(edit.old, edit.new) if edit.old else edit.new)


def reason(fault: ElementTree.Element) -> str:
    """Return what was raised, without the lines of source that led there."""
    lines = (fault.text or "").splitlines()
    return "\n".join(line for line in lines if line.startswith("E ")) or "skipped"


def run(
    copy: Path, database: str, tests: Iterable[str], addresses: dict[str, str]
) -> dict[str, str]:
    """Run `tests` in the copy; return what each said, "" where it passed.

    Raises RuntimeError, with what was printed, if they could not be run at all.
    """
    report, log, temporary = (copy.with_suffix(suffix) for suffix in (".xml", ".log", ".tmp"))
    command = [sys.executable, "-m", "pytest", *tests]
    # Of JUnit's formats, the one that has room for what our tests note beside their outcome.
    options = ["--junit-xml", str(report), "-o", "junit_family=xunit1", "--tb", "short", "-vv"]
    apart = ["--database", database, "--basetemp", str(temporary), "-p", "no:cacheprovider"]
    # The folder a process starts in comes first on its path, before the project that is installed;
    # the variable says so to those that start elsewhere.
    environment = os.environ | addresses | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
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
    """Runs tests in copies, each in `folder`, on servers that all of them share."""

    def __init__(self, folder: Path, addresses: dict[str, str]) -> None:
        self.folder = folder
        self.addresses = addresses

    def control(self, database: str, tests: Iterable[str]) -> str:
        """Run `tests` where nothing is planted; return what went red all the same."""
        copy = copy_project(self.folder / f"sound-{database}")
        said = run(copy, database, tests, self.addresses)
        return "\n".join(f"{test} on {database}: {text}" for test, text in said.items() if text)

    def hunt(self, mutant: Mutant, database: str) -> tuple[bool, str]:
        """Return whether the mutant was caught, and by which tests or what happened instead."""
        copy = copy_project(self.folder / f"{MUTANTS.index(mutant)}-{database}")
        try:
            for edit in mutant.edits:
                plant(copy, edit)
            said = run(copy, database, [mutant.test], self.addresses)
        except (ValueError, RuntimeError, subprocess.TimeoutExpired) as error:
            return False, f"not tried: {error}"
        finally:
            # What is read-only in there goes with the folder that all copies are in.
            shutil.rmtree(copy, ignore_errors=True)
        caught_by = [test for test, text in said.items() if re.search(mutant.says, text)]
        if caught_by:
            return True, "\n".join(caught_by)
        others = "\n".join(filter(None, said.values()))[:500]
        return False, f"red for another reason: {others}" if others else "nobody: it survives"


def main(*words: str) -> int:
    chosen = [one for one in MUTANTS if not words or any(word in one.name for word in words)]
    pairs = [(one, database) for one in chosen for database in one.databases]
    tests: dict[str, list[str]] = {}
    for mutant, database in pairs:
        tests.setdefault(database, []).append(mutant.test)
    console = Console(width=140)
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
            console.print("red, though nothing was planted:", broken, markup=False)
            return 1
        found = list(threads.map(hunt.hunt, *zip(*pairs, strict=True)))
    table = Table("mutant", "database", "caught by")
    for (mutant, database), (caught, by) in zip(pairs, found, strict=True):
        table.add_row(mutant.name, database, Text(by, style="" if caught else "red"))
    console.print(table)
    return 0 if all(caught for caught, _ in found) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
