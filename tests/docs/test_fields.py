"""docs/fields.md adds a column to the account in a copy of the project, as the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.schema.revisions import head
from tests.docs.console import ROOT, blocks
from tests.docs.test_pages import copy_project

pytestmark = pytest.mark.only("sqlite")

PAGE = ROOT / "docs" / "fields.md"
PYTHON = (
    "migrations/versions/0010_user_nickname.py",
    "tests/migrations/rows/r0010.py",
    "tests/contract/test_nickname.py",
)


def renumbered(text: str) -> str:
    """Return `text` with the number of the next revision, which the page calls 0010."""
    following = f"{int(head()) + 1:04d}"
    return text.replace("0010", following).replace('"0009"', f'"{head()}"')


@pytest.mark.timeout(300)
def test_the_page_of_fields_adds_one_that_is_created_shown_changed_and_cleared(
    tmp_path: Path,
) -> None:
    folder = copy_project(tmp_path / "keystead")
    (folder / "var").mkdir()
    tools = folder / ".tox" / "sqlite"
    tools.mkdir(parents=True)
    (tools / "bin").symlink_to(Path(sys.executable).parent)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(folder)}

    def run(command: list[str], text: str = "") -> str:
        done = subprocess.run(
            command, cwd=folder, env=environment, input=text, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for diff in blocks(PAGE, "diff"):
        run(["git", "apply", "--verbose", "-"], diff)
    tools_of_the_page, tests, hashes = blocks(PAGE, "sh")
    run(["sh", "-e"], tools_of_the_page)
    [made] = (folder / "migrations/versions").glob("*_user_nickname.py")
    assert 'op.add_column("user_account", sa.Column("nickname"' in made.read_text()
    for name, code in zip(PYTHON, blocks(PAGE, "python"), strict=True):
        (folder / renumbered(name)).write_text(renumbered(code))
    said = run(["sh", "-e"], renumbered(tests))
    assert re.findall(r"(\d+) passed", said) == ["2", "3"]
    run(["sh", "-e"], hashes.splitlines()[0])
