"""c, d: killed migrators, and simultaneous ones."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.schema.revisions import head
from tests.conftest import Cases
from tests.migrations.conftest import AtRevision
from tests.migrations.dying import SECONDS, migrate
from tests.migrations.fingerprint import fingerprint
from tests.migrations.history import (
    REVISIONS,
    before,
    before_the_takeover,
    downgrade,
    stored,
    upgrade,
)

EIGHT = 8


@pytest.mark.parametrize("way", ["upgrade", "downgrade"])
@pytest.mark.parametrize("revision", REVISIONS)
def test_killed_after_each_statement_and_run_again(
    at_revision: AtRevision, cases: Cases, revision: str, way: str
) -> None:
    start, end = before(revision), revision
    if way == "downgrade":
        start, end = end, start
    undisturbed = at_revision(start)
    statements = migrate(undisturbed, way, end)
    expected = fingerprint(undisturbed), stored(undisturbed)
    for after in range(1, statements + 1):
        folder = at_revision(start)
        migrate(folder, way, end, after)
        (upgrade if way == "upgrade" else downgrade)(folder, end)
        assert (fingerprint(folder), stored(folder)) == expected, f"killed after {after}"
    cases("c", statements)


@pytest.mark.parametrize("killed", [False, True], ids=["", "one killed in the lock"])
def test_eight_at_once(at_revision: AtRevision, cases: Cases, tmp_path: Path, killed: bool) -> None:
    folder, expected = at_revision(REVISIONS[0]), at_revision(REVISIONS[0])
    upgrade(expected, head())
    with ThreadPoolExecutor(EIGHT + 1) as threads:
        if killed:
            noted = tmp_path / "noted"
            threads.submit(migrate, folder, "upgrade", head(), 2, pause=1, noted=noted)
            wait_until(lambda: noted.exists() and len(noted.read_bytes()) == 2)
        migrators = [
            threads.submit(migrate, folder, "upgrade", head(), noted=tmp_path / f"{n}")
            for n in range(EIGHT)
        ]
        executed = [migrator.result() for migrator in migrators]
    assert sum(count > 0 for count in executed) == 1
    assert fingerprint(folder) == fingerprint(expected)
    assert stored(folder) == stored(expected)
    cases("d", EIGHT)


def test_a_takeover_that_is_killed_is_done_again(at_revision: AtRevision, cases: Cases) -> None:
    def former(revision: str) -> Path:
        folder = at_revision(revision)
        before_the_takeover(folder)
        return folder

    undisturbed = former(REVISIONS[1])
    statements = migrate(undisturbed, "upgrade", REVISIONS[2])
    expected = fingerprint(undisturbed), stored(undisturbed)
    for after in range(1, statements + 1):
        folder = former(REVISIONS[1])
        migrate(folder, "upgrade", REVISIONS[2], after)
        upgrade(folder, REVISIONS[2])
        assert (fingerprint(folder), stored(folder)) == expected, f"killed after {after}"
    cases("c", statements)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
