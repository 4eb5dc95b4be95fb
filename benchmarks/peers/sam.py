"""`sam build`, by AWS's own command line, which lives in an environment of its own in .cache."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from filelock import FileLock

from tests.aws.artifact import PYTHON, ROOT

CACHE = ROOT / ".cache"
PINS = Path(__file__).parent / "sam.txt"
DRIVERS = {"sqlite": "aiosqlite", "postgres": "asyncpg"}


def built(source: Path, function: str, database: str) -> Path:
    """Return the folder that `sam build` makes of the `function` in `source`, read-only.

    Of the drivers in its requirements it gets the one for `database`. One that was built of the
    same files is taken again.
    """
    wanted = _requirements(source, database)
    template, *code = [source / "template.yaml", *sorted(source.glob("*.py"))]
    digest = hashlib.sha256(wanted.encode())
    for path in (template, *code):
        digest.update(path.read_bytes())
    folder = CACHE / "peers" / f"{source.name}-{database}-{PYTHON}-{digest.hexdigest()[:16]}"
    with FileLock(CACHE / "peers.lock", timeout=600):
        if not folder.exists():
            draft = CACHE / "peers" / "draft"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            (draft / "requirements.txt").write_text(wanted)
            for path in (template, *code):
                shutil.copy(path, draft)
            _build(draft)
            result = draft / ".aws-sam" / "build" / function
            for path in (result, *result.rglob("*")):
                path.chmod(0o555 if path.is_dir() else 0o444)
            result.rename(folder)
    return folder


def _requirements(source: Path, database: str) -> str:
    others = set(DRIVERS.values()) - {DRIVERS[database]}
    text = (source / "requirements.txt").read_text()
    listed = re.split(r"^(?=\w)", text, flags=re.MULTILINE)
    return "".join(entry for entry in listed if entry.partition("==")[0] not in others)


def _build(folder: Path) -> None:
    programs = _environment() / "bin"
    # First on the path: the Python whose version the template names, and its pip.
    path = f"{programs}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0"}
    runtime = f"Runtime=python{PYTHON}"
    command = [str(programs / "sam"), "build", "--parameter-overrides", runtime]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=sys.stderr)


def _environment() -> Path:
    """Return an environment that has it; install it if it is not there."""
    version = hashlib.sha256(PINS.read_bytes()).hexdigest()[:16]
    folder = CACHE / f"sam-{PYTHON}-{version}"
    done = folder / "done"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True, symlinks=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        # All that it needs is in the file; of extras there, older versions of pip miss the hashes.
        pins = ["--no-deps", "--require-hashes", "-r", str(PINS)]
        subprocess.run([*pip, *pins], check=True, stdout=sys.stderr)
        done.touch()
    return folder
