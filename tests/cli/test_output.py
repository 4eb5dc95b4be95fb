"""Output that cannot be written, or not in the terminal's encoding, stops no operation."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.schema.revisions import ROOT, head
from tests.databases import in_database
from tests.service import PASSWORD, make_environment, run_command

pytestmark = pytest.mark.only("sqlite")

# Each as a shell's redirection; the operation must be done, whatever became of its report.
OUTPUTS = {
    "a full disk": ">/dev/full",
    "full disks for both": ">/dev/full 2>/dev/full",
    "a closed stdout": ">&-",
    "both closed": ">&- 2>&-",
    "nobody reads": "| true",
}


def keystead(
    folder: Path, arguments: str, redirection: str, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `keystead` in a shell, which gives it a password."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m app {arguments} {redirection}"],
        cwd=folder,
        env=make_environment(folder) | {"PYTHONPATH": str(ROOT)} | environment,
        input=PASSWORD.encode(),
        capture_output=True,
        timeout=60,
    )


def revision(folder: Path) -> str:
    [(found,)] = in_database(folder, "SELECT version_num FROM keystead_version")
    return str(found)


@pytest.mark.parametrize("redirection", OUTPUTS.values(), ids=OUTPUTS)
def test_an_account_is_created_without_a_report(desk: Path, redirection: str) -> None:
    done = keystead(desk, "user create arthur@camelot.bt --password-stdin", redirection)
    assert (done.returncode, done.stderr) == (0, b"")
    assert in_database(desk, "SELECT email FROM user_account") == [("arthur@camelot.bt",)]


def test_a_migration_is_done_without_its_report(tmp_path: Path) -> None:
    done = keystead(tmp_path, "migrate", ">/dev/full 2>/dev/full")
    assert (done.returncode, done.stderr) == (0, b"")
    assert revision(tmp_path) == head()


@pytest.mark.parametrize("redirection", [">/dev/full", "| true"])
def test_a_list_that_cannot_be_written_is_a_failure(desk: Path, redirection: str) -> None:
    done = keystead(desk, "user list", redirection)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


def test_a_dry_run_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    done = keystead(tmp_path, "migrate --dry-run", ">/dev/full")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


def test_what_the_encoding_of_a_migration_lacks_is_replaced(tmp_path: Path) -> None:
    done = keystead(tmp_path, "migrate", "", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert revision(tmp_path) == head()
    assert b"0001 users " in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_the_encoding_of_a_name_lacks_is_replaced(desk: Path, encoding: str) -> None:
    create = "user create кинг@camelot.bt --password-stdin"
    done = keystead(desk, create, "", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"@camelot.bt" in done.stdout


def test_what_the_encoding_of_a_list_lacks_is_replaced(desk: Path) -> None:
    create = ["user", "create", "кинг@camelot.bt", "--password-stdin"]
    run_command(make_environment(desk), *create, stdin=PASSWORD)
    done = keystead(desk, "user list", "", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert b"@camelot.bt" in done.stdout
