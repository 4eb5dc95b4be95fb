"""`sam build`, by AWS's command line, in an environment of its own."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from benchmarks.environments import PINS, python
from tests.aws.artifact import PYTHON, ROOT

CACHE = ROOT / ".cache"
DRIVERS = {"sqlite": "aiosqlite", "postgres": "asyncpg"}


def built(source: Path, function: str, database: str) -> Path:
    """Return the read-only folder that `sam build` makes of `function` in `source`.

    Of the drivers in its requirements it keeps the one for `database`. A build of the same files is
    reused.
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
    programs = python("sam", PINS / "infra.txt").parent
    # The template's Python and its pip come first on the path.
    path = f"{programs}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0"}
    runtime = f"Runtime=python{PYTHON}"
    command = [str(programs / "sam"), "build", "--parameter-overrides", runtime]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=sys.stderr)
