"""The cells of a run: what `--cells pairs` leaves out, the other databases have."""

from collections import Counter

import pytest

from tests.cells import DATABASES, TRANSPORTS, transport_of
from tests.conftest import RUNS

pytestmark = pytest.mark.only("sqlite")

NAMES = [f"tests/contract/test_input.py::test_a_body[{case}]" for case in range(300)]


def test_no_transport_is_left_out() -> None:
    assert set(TRANSPORTS) == set(RUNS)


@pytest.mark.parametrize("name", NAMES[:10])
def test_each_test_has_each_transport_on_one_of_the_databases(name: str) -> None:
    assert {transport_of(name, database) for database in DATABASES} == set(TRANSPORTS)


@pytest.mark.parametrize("database", DATABASES)
def test_each_database_has_a_fair_share_of_each_transport(database: str) -> None:
    shares = Counter(transport_of(name, database) for name in NAMES)
    assert set(shares) == set(TRANSPORTS)
    assert min(shares.values()) > len(NAMES) / len(TRANSPORTS) / 2
