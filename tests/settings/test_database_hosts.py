"""The servers that a URL names, in libpq's forms and in SQLAlchemy's."""

import pytest
from sqlalchemy import make_url

from app.settings.database_hosts import split_servers
from app.settings.database_url import with_credentials, with_driver

pytestmark = pytest.mark.only("sqlite")

TWO = [("h1", 5432), ("h2", 5432)]
SOCKET = [("/run/postgresql", 5432)]


@pytest.mark.parametrize(
    ("url", "addresses", "target"),
    [
        ("postgresql://u:p@h1/k", [("h1", 5432)], None),
        ("postgresql://h1:5433/k", [("h1", 5433)], None),
        ("postgresql://[::1]:5433/k", [("::1", 5433)], None),
        ("postgresql://h1/k?target_session_attrs=read-write", [("h1", 5432)], "read-write"),
        ("postgresql://u:p@h1,h2/k", TWO, "read-write"),
        ("postgres://u:p@h1,h2/k?target_session_attrs=any", TWO, "read-write"),
        ("postgresql://h1,h2/k?target_session_attrs=primary", TWO, "primary"),
        ("postgresql://h1:1,h2:2/k", [("h1", 1), ("h2", 2)], "read-write"),
        ("postgresql://h1,h2:2/k", [("h1", 5432), ("h2", 2)], "read-write"),
        ("postgresql://[::1]:1,[fe80::1],h3/k", [("::1", 1), ("fe80::1", 5432), ("h3", 5432)], ""),
        ("postgresql:///k?host=h1,h2", TWO, "read-write"),
        ("postgresql:///k?host=h1,h2&port=1,2", [("h1", 1), ("h2", 2)], "read-write"),
        ("postgresql:///k?host=h1,h2&port=7", [("h1", 7), ("h2", 7)], "read-write"),
        ("postgresql:///k?host=h1,h2&port=,2", [("h1", 5432), ("h2", 2)], "read-write"),
        ("postgresql+asyncpg:///k?host=h1:1&host=h2:2", [("h1", 1), ("h2", 2)], "read-write"),
        ("postgresql://%2Frun%2Fpostgresql/k", SOCKET, None),
        ("postgresql://u@%2Frun%2Fpostgresql:5433/k", [("/run/postgresql", 5433)], None),
        ("postgresql:///k?host=/run/postgresql", SOCKET, None),
        ("postgresql:///k?host=%2Frun%2Fpostgresql&port=1", [("/run/postgresql", 1)], None),
        ("postgresql://u:p@/k?host=/cloudsql/p:r:i", [("/cloudsql/p:r:i", 5432)], None),
        ("postgresql://%2Frun,h2/k", [("/run", 5432), ("h2", 5432)], "read-write"),
    ],
)
def test_servers(url: str, addresses: list[tuple[str, int]], target: str | None) -> None:
    bare, servers = split_servers(make_url(with_driver(url)))
    assert servers.addresses == addresses
    assert servers.target == (target if target != "" else "read-write")
    assert (bare.host, bare.port, bare.query) == (None, None, {})
    assert bare.database == "k"
    # The setting is read again by another process.
    assert split_servers(make_url(with_driver(with_driver(url))))[1] == servers


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://h1,h2/k?target_session_attrs=standby",
        "postgresql://h1,h2/k?target_session_attrs=prefer-standby",
        "postgresql://h1/k?target_session_attrs=read-only",
        "postgresql://h1,/k",
        "postgresql://h1:x,h2/k",
        "postgresql://h1,h2?target_session_attrs=read-write",
        "postgresql://h1/k?host=h2:x",
        "postgresql://h1:99999,h2/k",
        "postgresql:///k?host=h1,h2&port=1,2,3",
        "postgresql:///k?host=",
    ],
)
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="database"):
        with_driver(url)


def test_credentials_complete_a_list_of_hosts() -> None:
    named = with_driver(with_credentials("postgresql://h1:1,h2:2/k", "arthur", "p@ss,/1"))
    bare, servers = split_servers(make_url(named))
    assert (bare.username, bare.password) == ("arthur", "p@ss,/1")
    assert servers.addresses == [("h1", 1), ("h2", 2)]
