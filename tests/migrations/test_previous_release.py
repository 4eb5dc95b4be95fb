"""i: the code from before a revision passes its own contract tests on today's schema."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.schema.revisions import ROOT
from tests.conftest import Cases
from tests.databases import server
from tests.migrations.history import MIGRATIONS, REVISIONS

SECONDS = 600


def git(*arguments: str) -> bytes:
    """Needs the project's history, which a shallow clone does not have."""
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=60
    ).stdout


def release_before(revision: str, folder: Path) -> Path:
    """Unpack the last commit before `revision`, and give it today's revisions.

    That is HEAD for a revision that is not committed yet.
    """
    path = f"migrations/versions/{revision}_*.py"
    added = git("log", "--diff-filter=A", "--format=%H", "--", path).decode().split()
    archive = git("archive", f"{added[-1]}^" if added else "HEAD")
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True, timeout=60)
    shutil.copytree(MIGRATIONS / "versions", folder / "migrations/versions", dirs_exist_ok=True)
    for helpers in MIGRATIONS.glob("ops*.py"):
        shutil.copy(helpers, folder / "migrations")
    return folder


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("revision", REVISIONS[-2:])
def test_the_release_before_serves_on_the_new_schema(
    tmp_path: Path, cases: Cases, revision: str
) -> None:
    name = server().name
    release = release_before(revision, tmp_path)
    arguments = ["tests/contract", "-k", "in-process", "-q", "--database", name]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=release,
        env=os.environ | {f"TEST_{name.upper()}_URL": server().address},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout[-5_000:]
    passed = next(word for line in done.stdout.splitlines()[-1:] for word in line.split())
    cases("i", int(passed))
