"""The cells of a run: what `--cells pairs` leaves out, the other databases have."""

from collections import Counter

import pytest

from tests.cells import SERVERS, TRANSPORTS, transport_of

pytestmark = pytest.mark.only("sqlite")

NAMES = [f"tests/contract/test_input.py::test_a_body[{case}]" for case in range(300)]


@pytest.mark.parametrize("name", NAMES[:10])
def test_each_test_has_another_transport_on_each_server(name: str) -> None:
    assert {transport_of(name, server) for server in SERVERS} == set(TRANSPORTS)


@pytest.mark.parametrize("server", SERVERS)
def test_each_server_has_a_fair_share_of_each_transport(server: str) -> None:
    shares = Counter(transport_of(name, server) for name in NAMES)
    assert set(shares) == set(TRANSPORTS)
    assert min(shares.values()) > len(NAMES) / len(TRANSPORTS) / 2
