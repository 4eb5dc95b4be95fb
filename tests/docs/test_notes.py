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
from tests.service import SERVICE_TOKEN

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
    settings = {"KEYSTEAD_ARGON2_MEMORY_KIB": "64", "KEYSTEAD_SERVICE_TOKEN": SERVICE_TOKEN}
    shell = Shell(folder, {"PATH": os.environ["PATH"], "HOME": str(folder), **settings})
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


def test_another_service_learns_of_a_log_out_as_docs_services_says(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = f"http://127.0.0.1:{shell.port}"
    monkeypatch.setenv("KEYSTEAD_SERVICE_TOKEN", SERVICE_TOKEN)
    names: dict[str, Any] = {}
    for code in blocks(ROOT / "docs" / "services.md", "python"):
        exec(code.replace("http://127.0.0.1:8080", base), names)
    claims_of, account_of, introspect = (
        names[name] for name in ("claims_of", "account_of", "introspect")
    )
    account = {"email": "service@camelot.bt", "password": "excalibur"}
    with httpx2.Client(base_url=base, timeout=30, verify=False) as client:
        me = client.post("/auth/register", json=account).json()
        form = {"username": account["email"], "password": account["password"]}
        token = client.post("/auth/jwt/login", data=form).json()["access_token"]
        header = f"Bearer {token}"
        assert account_of(header) == me
        assert introspect(token).items() >= {"active": True, "username": me["email"]}.items()
        assert claims_of(token)["sub"] == me["id"]
        client.post("/auth/jwt/logout", headers={"Authorization": header})
    assert account_of(header) is None
    assert introspect(token) == {"active": False}
    assert claims_of(token)["sub"] == me["id"]  # until it expires
    assert account_of("") is None
    assert claims_of("") is None


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
