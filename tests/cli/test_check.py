"""The letters that `keystead check` writes."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.cli.check import find_letter_problem
from app.jobs import LETTERS
from app.mail.delivery import Compose
from app.mail.letters import Letter
from app.resources import Resources, open_resources
from app.users.letters import VERIFY, verify_letter
from tests.databases import in_database
from tests.service import make_environment, run_command, settings_from


async def without_template(_: Resources, __: AsyncSession, address: str) -> Letter:
    return Letter(address, "A subject", "no-such-template", {})


async def without_link(_: Resources, __: AsyncSession, address: str) -> Letter:
    return Letter(address, "A subject", VERIFY, {"base_url": "http://127.0.0.1:8080"})


async def with_lines(_: Resources, __: AsyncSession, address: str) -> Letter:
    return Letter(address, "A subject\nBcc: all@camelot.bt", "password-changed", {"base_url": "x"})


async def to_nobody(_: Resources, __: AsyncSession, address: str) -> Letter:
    return Letter("nobody", "A subject", "password-changed", {"base_url": "x"})


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("broken", [without_template, without_link, with_lines, to_nobody])
def test_a_letter_that_cannot_be_written_is_named(tmp_path: Path, broken: Compose) -> None:
    assert "the letter broken cannot be written" in str(find(tmp_path, broken=broken))


def test_each_letter_is_written_for_an_account_that_is_rolled_back(tmp_path: Path) -> None:
    written = []

    async def seen(resources: Resources, session: AsyncSession, address: str) -> Letter | None:
        written.append(await verify_letter(resources, session, address))
        return written[-1]

    assert find(tmp_path, **LETTERS, seen=seen) is None
    assert written[0] is not None
    assert in_database(tmp_path, "SELECT count(*) FROM user_account") == [(0,)]


@pytest.mark.only("sqlite")
@pytest.mark.parametrize(
    ("seconds", "named"), [(86_400, "86,400 s ahead of"), (-60, "60 s behind"), (3, "ok")]
)
def test_clocks_that_differ_are_named(tmp_path: Path, seconds: int, named: str) -> None:
    """The process's is wrong; SQLite reads the machine's."""
    environment = make_environment(tmp_path)
    run_command(environment, "migrate")
    with time_machine.travel(clock.now() + timedelta(seconds=seconds)):
        said = run_command(environment, "check", code=int(named != "ok"))
    [line] = [line for line in said.splitlines() if "clocks" in line]
    assert named in line


@pytest.mark.only("sqlite", "postgres")
def test_a_database_that_takes_no_account_is_named(tmp_path: Path) -> None:
    environment = make_environment(tmp_path)
    run_command(environment, "migrate")
    in_database(tmp_path, "ALTER TABLE user_account RENAME COLUMN hashed_password TO x")
    said = " ".join(run_command(environment, "check", code=1).replace("│", "").split())
    assert "it takes no account" in said
    assert said.count("ok") == 3


def find(folder: Path, **letters: Compose) -> str | None:
    environment = make_environment(folder)
    run_command(environment, "migrate")

    async def run() -> str | None:
        async with open_resources(settings_from(environment)) as resources:
            return await find_letter_problem(resources, letters)

    return asyncio.run(run())
