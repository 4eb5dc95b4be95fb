"""docs/vm.md: the unit, the nginx file and the move to another database."""

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.settings.files import SECRET_SETTINGS
from infra.vm.copy_database import copy_database
from tests.databases import in_database
from tests.docs.console import ROOT, blocks
from tests.service import in_process, make_environment, run_command

UNIT = ROOT / "infra" / "vm" / "keystead.service"
PAGE = ROOT / "docs" / "vm.md"
ANALYZE = shutil.which("systemd-analyze")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program where it expects one."""
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/true")
    copy = tmp_path / "keystead.service"
    (drop_in,) = blocks(PAGE, "ini")
    copy.write_text(UNIT.read_text().replace("/srv/keystead", str(tmp_path)) + drop_in)
    return copy


@pytest.mark.only("sqlite")
@pytest.mark.skipif(ANALYZE is None, reason="this machine has no systemd")
def test_systemd_accepts_the_unit_and_its_hardening(unit: Path) -> None:
    page = PAGE.read_text()
    said = analyze("verify", str(unit))
    assert said == ""
    [(exposure, word)] = re.findall(
        r"exposure level for keystead.service: ([\d.]+) (\w+)",
        analyze("security", "--offline=true", "--threshold=20", str(unit)),
    )
    assert float(exposure) <= 2.0
    assert f'an exposure of {exposure} ("{word}"' in page


def analyze(*arguments: str) -> str:
    done = subprocess.run(
        [str(ANALYZE), *arguments],
        env=os.environ | {"LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.only("sqlite")
def test_the_page_names_files_and_settings_that_are_there() -> None:
    page = PAGE.read_text()
    for path in re.findall(r"infra/vm/[\w.]*\w", page):
        assert (ROOT / path).exists(), path
    for name, path in re.findall(r"^KEYSTEAD_(\w+)_FILE=(\S+)$", page, re.MULTILINE):
        assert name.lower() in SECRET_SETTINGS
        assert f"{path}\n" in page.replace("   #", "\n").replace("       #", "\n")
    assert "WorkingDirectory=/var/lib/keystead" in UNIT.read_text()


@pytest.mark.only("postgres", "mysql", "mariadb")
def test_rows_move_from_sqlite_to_a_server_with_their_sessions(tmp_path: Path) -> None:
    source_url = f"sqlite:///{tmp_path}/source.db"
    with in_process(tmp_path, database_url=source_url) as service:
        arthur = service.register("kïng@camelot.bt")
        headers = service.login(arthur)
        run_command(service.environment, "tick", "--job", "count")
    environment = make_environment(tmp_path)
    target_url = environment["KEYSTEAD_DATABASE_URL"]
    with pytest.raises(ValueError, match=r"TO: .*run `keystead migrate`"):
        asyncio.run(copy_database(source_url, target_url))
    run_command(environment, "migrate")
    copied = asyncio.run(copy_database(source_url, target_url))
    assert copied["user_account"] == copied["user_session"] == 1
    assert copied["tick_run"] > 0
    with in_process(tmp_path) as service:
        answer = service.client.get("/users/me", headers=headers)
        assert (answer.status_code, answer.json()["email"]) == (200, arthur.email)
        service.login(arthur)
    with pytest.raises(ValueError, match="TO: the table mail_message is not empty"):
        asyncio.run(copy_database(source_url, target_url))
    assert in_database(tmp_path, "SELECT count(*) FROM user_account") == [(1,)]
