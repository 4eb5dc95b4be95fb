"""docs/notes.md: the original notes, replayed with curl and as PowerShell sends them."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.docs.console import ROOT, Shell, blocks, normalise, steps
from tests.docs.powershell import AGENTS
from tests.docs.test_pages import copy_project, renamed, windows

pytestmark = pytest.mark.only("sqlite")

NOTES = ROOT / "docs" / "notes.md"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A copy of the project with the server of the page, and what this interpreter has installed.

    The installation is tested with README.
    """
    folder = copy_project(tmp_path_factory.mktemp("notes"))
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    shutil.copy(folder / "requirements/app.txt", folder / ".venv/keystead-requirements.txt")
    cheap = {"KEYSTEAD_ARGON2_MEMORY_KIB": "64"}
    shell = Shell(folder, {"PATH": os.environ["PATH"], "HOME": str(folder), **cheap})
    try:
        ((command, output),) = steps(blocks(NOTES, "console")[0])
        said = shell.serve(command, lines=len(output.splitlines()))
        assert normalise(said, shell.port) == normalise(output, shell.port)
        yield shell
    finally:
        shell.close()


def test_every_command_of_the_notes_prints_what_the_page_shows(shell: Shell) -> None:
    for block in blocks(NOTES, "console")[1:]:
        for command, output in steps(block):
            assert normalise(shell.run(command), shell.port) == normalise(output, 8080), command


@pytest.mark.parametrize("version", AGENTS)
def test_powershell_gets_the_answers_that_the_page_shows(shell: Shell, version: str) -> None:
    powershell = windows(shell, version, NOTES)
    shown = blocks(NOTES, "console")[1:]
    asked = blocks(NOTES, "powershell")
    assert len(asked) == len(shown) == 11
    for block, console in zip(asked, shown, strict=True):
        answers = list(powershell.run(renamed(block, version)))
        bodies = [normalise(answer.text, shell.port) for answer in answers]
        *_, (command, output) = steps(renamed(console, version))
        expected = "" if output == "204\n" else normalise(output, 8080)
        assert bodies[-1] == expected, command


def test_another_service_asks_for_the_account_as_docs_integrate_shows(shell: Shell) -> None:
    base = f"http://127.0.0.1:{shell.port}"
    (code,) = blocks(ROOT / "docs" / "integrate.md", "python")
    names: dict[str, Any] = {}
    exec(code.replace("http://127.0.0.1:8080", base), names)
    account = {"email": "service@camelot.bt", "password": "excalibur"}
    with httpx2.Client(base_url=base, timeout=30, verify=False) as client:
        assert client.post("/auth/register", json=account).status_code == 201
        form = {"username": account["email"], "password": account["password"]}
        header = f"Bearer {client.post('/auth/jwt/login', data=form).json()['access_token']}"
        assert names["account_of"](header)["email"] == account["email"]
        client.post("/auth/jwt/logout", headers={"Authorization": header})
    assert names["account_of"](header) is None
    assert names["account_of"]("") is None


def test_the_commands_are_those_of_the_notes() -> None:
    """Without ids and tokens; the notes give -UseBasicParsing in all but one."""
    page = "".join(blocks(NOTES, "powershell"))
    for path, method, body in (
        ("/users/me", "PATCH", '{`"password`":`"54321`"}'),
        ("/users/$OTHER", "PATCH", '{`"is_superuser`":`"true`"}'),
        ("/auth/request-verify-token", "POST", '{`"email`":`"archy@ya.ru`"}'),
        ("/auth/verify", "POST", '{`"token`":`"$TEMP_TOKEN`"}'),
        ("/auth/forgot-password", "POST", '{`"email`":`"archy@ya.ru`"}'),
        ("/auth/reset-password", "POST", '{`"token`":`"$TEMP_TOKEN`",`"password`":`"12345`"}'),
    ):
        [command] = [
            line
            for line in page.splitlines()
            if line.startswith("Invoke-WebRequest") and f"8080{path} " in line and method in line
        ]
        assert re.search(r"-UseBasicParsing$", command)
        assert f'-Body "{body}"' in command
