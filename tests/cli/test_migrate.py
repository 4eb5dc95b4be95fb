"""`keystead migrate` beside other transactions, as a dry run, and on unexpected databases."""

import asyncio
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from app.database.engine import Database
from app.schema.revisions import ROOT, head, names
from migrations.waits import TRY_SECONDS, migration_lock
from tests.databases import in_database, server
from tests.service import make_environment, run_command, settings_from

NEXT = f"{int(head()) + 1:04d}"
REVISION = f'''
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{NEXT}", "{head()}", None, None


def upgrade() -> None:
    made = sa.inspect(op.get_bind()).get_columns("user_account")
    if all(column["name"] != "nickname" for column in made):
        op.add_column("user_account", sa.Column("nickname", sa.String(20)))
'''
MIGRATE = [sys.executable, "-m", "app", "migrate"]
ALEMBIC = [str(Path(sys.executable).with_name("alembic")), "upgrade", "head"]
# The slowest answer of a busy machine, beyond the measured time; seconds.
SLACK = 4


@pytest.fixture
def next_release(desk: Path) -> Path:
    """A folder with the next release, which adds a column, and a database of this one."""
    for part in ("app", "migrations"):
        # With the bytecode: without it each start takes seconds.
        shutil.copytree(ROOT / part, desk / part)
    shutil.copy(ROOT / "alembic.ini", desk)
    (desk / "migrations" / "versions" / f"{NEXT}_nickname.py").write_text(REVISION)
    return desk


def hurry(folder: Path) -> None:
    """Limit the release in `folder` to two tries."""
    path = folder / "migrations" / "waits.py"
    hurried, times = re.subn(r"^PAUSES = .*$", "PAUSES = (0.5,)", path.read_text(), flags=re.M)
    assert times == 1
    path.write_text(hurried)


class Migrator:
    """A migration in a process of its own, and the lines printed so far."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.lines: list[str] = []
        self._folder, self._command = folder, command

    async def __aenter__(self) -> "Migrator":
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=self._folder,
            env=make_environment(self._folder) | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode())

    async def says(self, words: str, times: int = 1, seconds: float = 40) -> bool:
        """Wait until it has printed `words` that many times. Returns whether it has."""
        deadline = time.monotonic() + seconds
        while sum(words in line for line in self.lines) < times:
            if time.monotonic() > deadline or self._reading.done():
                return False
            await asyncio.sleep(0.05)
        return True

    async def ends(self) -> int:
        """Wait for its end, and return its exit code."""
        async with asyncio.timeout(40):
            await self._reading
            return await self._process.wait()

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


def open_database(folder: Path) -> Database:
    return Database(settings_from(make_environment(folder)).database_url)


@asynccontextmanager
async def blocker(folder: Path) -> AsyncIterator[None]:
    """Hold a transaction that has written, which blocks ALTER TABLE."""
    async with open_database(folder) as database, database.transaction() as session:
        await session.execute(text("UPDATE user_account SET is_active = is_active"))
        yield


async def read_until(done: asyncio.Event, folder: Path) -> list[float]:
    """Read from the table in a loop until `done`; return the duration of each read."""
    took = []
    async with open_database(folder) as database:
        while not done.is_set():
            begun = time.monotonic()
            async with database.transaction() as session:
                await session.execute(text("SELECT count(id) FROM user_account"))
            took.append(time.monotonic() - begun)
            await asyncio.sleep(0.02)
    return took


def test_readers_are_not_stalled_by_a_migration_that_waits(next_release: Path) -> None:
    async def scenario() -> list[float]:
        done = asyncio.Event()
        reading = asyncio.create_task(read_until(done, next_release))
        async with Migrator(next_release, MIGRATE) as migrator:
            async with blocker(next_release):
                tried_again = await migrator.says("trying again", times=2)
            assert await migrator.ends() == 0, "".join(migrator.lines)
        done.set()
        assert tried_again, migrator.lines
        assert f"migrated from {head()} to {NEXT}" in migrator.lines[-1]
        return await reading

    took = asyncio.run(scenario())
    assert max(took) < TRY_SECONDS + SLACK
    assert len(took) > 50
    in_database(next_release, "SELECT nickname FROM user_account")


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(MIGRATE, id="keystead"),
        pytest.param(ALEMBIC, id="alembic", marks=pytest.mark.only("sqlite")),
    ],
)
def test_a_migration_without_its_locks_gives_up_with_the_reason(
    next_release: Path, command: list[str]
) -> None:
    hurry(next_release)

    async def scenario() -> str:
        async with blocker(next_release), Migrator(next_release, command) as migrator:
            assert await migrator.ends() == 1
        return "".join(migrator.lines)

    said = asyncio.run(scenario())
    assert "gave up: others use what this step needs (" in said
    if server().name != "sqlite":
        assert re.search(r"ALTER TABLE user_account.*connection \d+ \(.+\) for \d+ s", said)
    assert in_database(next_release, "SELECT version_num FROM keystead_version") == [(head(),)]
    done = subprocess.run(
        command,
        cwd=next_release,
        env=make_environment(next_release),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0


def test_a_wait_for_another_migrator_is_reported(next_release: Path) -> None:
    async def scenario() -> None:
        async with Migrator(next_release, MIGRATE) as migrator:
            async with (
                open_database(next_release) as database,
                migration_lock(database.engine, print),
            ):
                waits = await migrator.says("another migration is at work: waiting for it")
            assert waits, migrator.lines
            assert await migrator.ends() == 0

    asyncio.run(scenario())


def test_each_revision_has_a_line(folder: Path) -> None:
    said = run_command(make_environment(folder), "migrate").splitlines()
    for line, (revision, about) in zip(said, names().items(), strict=False):
        assert re.fullmatch(rf"{revision} {about} … \d+\.\d s", line)
    assert len(said) == len(names()) + 1


def test_a_dry_run_changes_nothing(folder: Path) -> None:
    environment = make_environment(folder)
    assert "Database: migrated" in run_command(environment, "migrate", "--to", "0002")
    said = run_command(environment, "migrate", "--dry-run").splitlines()
    wanted = [f"Would run {name} {about}" for name, about in names().items() if name > "0002"]
    assert said == wanted
    assert run_command(environment, "migrate", "+1", "--dry-run").splitlines() == wanted[:1]
    assert in_database(folder, "SELECT version_num FROM keystead_version") == [("0002",)]
    run_command(environment, "migrate")
    assert "nothing to migrate" in run_command(environment, "migrate", "--dry-run")


def test_migrate_never_downgrades(desk: Path) -> None:
    said = run_command(make_environment(desk), "migrate", "--to", "0002")
    assert f"at revision {head()}, past 0002, nothing to migrate" in said
    assert in_database(desk, "SELECT version_num FROM keystead_version") == [(head(),)]


@pytest.mark.parametrize("target", ["", "nowhere", "-1", "base", "+99", "0001:head"])
def test_an_unknown_target_is_refused(folder: Path, target: str) -> None:
    said = run_command(make_environment(folder), "migrate", "--to", target, code=1)
    assert f"there is no revision '{target}'" in said
    assert "stop at" in run_command(make_environment(folder), "migrate", "1", "--to", "2", code=2)


def test_the_sql_makes_the_same_schema(folder: Path) -> None:
    environment = make_environment(folder)
    for target in ("0002", "0002:head"):
        printed = run_command(environment, "migrate", target, "--sql")
        lines = [line for line in printed.splitlines() if not line.startswith("--")]
        for statement in "\n".join(lines).split(";\n"):
            if statement.strip() and statement.strip() not in ("BEGIN", "COMMIT"):
                in_database(folder, statement)
    assert "nothing to migrate" in run_command(environment, "migrate")
    assert "ok" in run_command(environment, "check")


LEFTOVERS: dict[str, tuple[list[str], str]] = {
    "no keystead_version": (
        ["DROP TABLE keystead_version"],
        "it holds mail_message, user_account, user_session, but keystead_version is missing: if",
    ),
    "an empty keystead_version": (
        ["DELETE FROM keystead_version"],
        "but keystead_version is empty: if Keystead created them, record their revision (0001 to",
    ),
    "two revisions": (
        ["INSERT INTO keystead_version VALUES ('0001')"],
        "keystead_version holds 0001 and 0003: record the one it is at with `alembic stamp",
    ),
    "another tool's revision": (
        ["UPDATE keystead_version SET version_num = 'ae1027a6acf'"],
        "it is at revision 'ae1027a6acf', which is none of Keystead's: name another database",
    ),
    "a batch that was interrupted": (
        ["CREATE TABLE _alembic_tmp_user_account (id INTEGER)"],
        "check that user_account is complete, then DROP TABLE _alembic_tmp_user_account",
    ),
    "a batch that was interrupted later": (
        ["DROP TABLE mail_message", "CREATE TABLE _alembic_tmp_mail_message (id INTEGER)"],
        "this is it: ALTER TABLE _alembic_tmp_mail_message RENAME TO mail_message",
    ),
}


@pytest.fixture
def halfway(folder: Path) -> Callable[..., dict[str, str]]:
    """Migrate the folder's database to 0003, then execute statements; return its environment."""

    def make(statements: list[str]) -> dict[str, str]:
        environment = make_environment(folder)
        run_command(environment, "migrate", "0003")
        for statement in statements:
            in_database(folder, statement)
        return environment

    return make


@pytest.mark.parametrize("leftover", LEFTOVERS)
def test_a_database_that_cannot_be_migrated_is_refused_with_the_remedy(
    leftover: str, halfway: Callable[..., dict[str, str]], folder: Path
) -> None:
    statements, words = LEFTOVERS[leftover]
    environment = halfway(statements)
    for flags in ([], ["--dry-run"]):
        said = run_command(environment, "migrate", *flags, code=1)
        assert words in said, said
        assert "Traceback" not in said
    with pytest.raises(Exception, match="tick_run"):
        in_database(folder, "SELECT 1 FROM tick_run")


def test_the_remedy_of_two_revisions_works(
    halfway: Callable[..., dict[str, str]], folder: Path
) -> None:
    environment = halfway(["INSERT INTO keystead_version VALUES ('0001')"])
    assert "`alembic stamp --purge`" in run_command(environment, "migrate", code=1)
    config = ["--config", str(ROOT / "alembic.ini")]
    command = [ALEMBIC[0], *config, "stamp", "--purge", "0003"]
    subprocess.run(command, env=environment, cwd=folder, check=True, timeout=60)
    assert f"from 0003 to {head()}" in run_command(environment, "migrate")


def test_a_killed_first_revision_is_continued(folder: Path) -> None:
    """MySQL and MariaDB commit each statement; on the others no kill leaves that state."""
    environment = make_environment(folder)
    run_command(environment, "migrate", "0001")
    in_database(folder, "DELETE FROM keystead_version")
    said = run_command(environment, "migrate", code=int(server().name in ("sqlite", "postgres")))
    assert ("migrated from nothing" in said) == (server().name in ("mysql", "mariadb"))


def test_an_additional_column_does_not_stop_a_migration(
    halfway: Callable[..., dict[str, str]], folder: Path
) -> None:
    environment = halfway(["ALTER TABLE user_account ADD COLUMN shoe_size INTEGER"])
    assert f"from 0003 to {head()}" in run_command(environment, "migrate")
