"""Databases at every revision, with rows."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.databases import copy_database
from tests.migrations.history import REVISIONS, fill, rows_of, upgrade

AtRevision = Callable[[str], Path]


@contextmanager
def far_from_utc() -> Iterator[None]:
    """Set this process's clock to another zone, so that local time differs from UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "XST-5:30")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A database at each revision, with its rows and all earlier ones; to copy."""
    made = {"base": tmp_path_factory.mktemp("base")}
    upgrade(made["base"], "base")
    for revision in REVISIONS:
        last = list(made.values())[-1]
        made[revision] = copy_database(last, tmp_path_factory.mktemp(revision))
        upgrade(made[revision], revision)
        with far_from_utc():
            fill(made[revision], rows_of(revision).ROWS)
    return made


@pytest.fixture
def at_revision(templates: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> AtRevision:
    """Create a folder whose database is at a revision, with the rows up to it."""

    def make(revision: str) -> Path:
        return copy_database(templates[revision], tmp_path_factory.mktemp("at"))

    return make
