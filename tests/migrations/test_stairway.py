"""a, b: up, down and up again keep the rows; the application reads them at head."""

from pathlib import Path

import pytest

from app.schema.revisions import head
from tests.conftest import Cases
from tests.migrations.conftest import AtRevision
from tests.migrations.fingerprint import fingerprint
from tests.migrations.history import (
    REVISIONS,
    before,
    downgrade,
    rows_of,
    stored,
    upgrade,
    without,
)
from tests.service import in_process


@pytest.mark.parametrize("revision", REVISIONS)
def test_up_down_and_up_again(at_revision: AtRevision, cases: Cases, revision: str) -> None:
    folder = at_revision(revision)
    schema, rows = fingerprint(folder), stored(folder)
    losses = rows_of(revision).LOSES

    downgrade(folder, before(revision))
    below = stored(folder)
    # The rows that the downgrade did not lose are unchanged.
    assert fingerprint(folder) == fingerprint(at_revision(before(revision)))
    columns = {name: set(values[0]) for name, values in below.items() if values}
    for name, values in without(rows, losses).items():
        gone = set(values[0]) - columns[name] if values else set()
        assert below[name] == without({name: values}, {name: gone})[name]
        assert gone <= (losses.get(name) or set()), f"lost without a word: {name} {gone}"

    upgrade(folder, revision)
    assert fingerprint(folder) == schema
    again = stored(folder)
    assert without(again, losses) == without(rows, losses)
    assert all(again[name] == [] for name, lost in losses.items() if lost is None)
    cases("a", sum(len(values) for values in rows.values()))


@pytest.mark.parametrize("revision", REVISIONS)
def test_rows_are_read_back_at_head(at_revision: AtRevision, cases: Cases, revision: str) -> None:
    folder = at_revision(revision)
    upgrade(folder, head())
    assert stored(folder).keys() >= rows_of(revision).ROWS.keys()
    written = REVISIONS[: REVISIONS.index(revision) + 1]
    with in_process(folder, tick_seconds="0") as service:
        for earlier in written:
            rows_of(earlier).read_back(service)
    cases("b", len(written))


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_revision_brings_rows(revision: str) -> None:
    module = rows_of(revision)
    assert all(module.ROWS.values())
    assert Path(module.__file__).read_text().count("assert ") > 0
    assert callable(module.read_back)
