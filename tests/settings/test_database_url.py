"""TLS to database servers that offer it, and to servers that do not."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from app.database.engine import Database
from app.errors import DatabaseUnavailable
from app.settings.database_url import with_driver
from tests.databases import KINDS, server
from tests.databases.postgres import Postgres
from tests.databases.server import OwnServer
from tests.databases.tls import tls_in_front
from tests.mail.smtp import write_certificate

pytestmark = pytest.mark.only("postgres", "mysql", "mariadb")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "own.pem")


@pytest.fixture(scope="module")
def secure_url(certificate: Path) -> Iterator[str]:
    """The URL of a database on a server of its own that offers TLS."""
    own = KINDS[server().name]()
    assert isinstance(own, OwnServer)
    own.certificate = certificate
    with own:
        own.create("keystead")
        url = make_url(own.url("keystead"))
        if isinstance(own, Postgres):
            with tls_in_front(own.port, certificate) as port:
                yield url.set(port=port).render_as_string(hide_password=False)
        else:
            yield own.url("keystead")


def encrypted(url: str) -> bool:
    """Connect to `url` and return whether the connection uses TLS."""

    async def ask() -> bool:
        try:
            async with (
                Database(with_driver(url)) as database,
                database.engine.connect() as connection,
            ):
                driver: Any = (await connection.get_raw_connection()).driver_connection
                if database.engine.driver == "asyncpg":
                    transport = driver._transport
                else:
                    transport = driver._writer.transport
                return transport.get_extra_info("ssl_object") is not None
        finally:
            await asyncio.sleep(0.1)  # TLS's close_notify

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("options", "over_tls"),
    [
        ("sslmode=disable", False),
        ("ssl-mode=PREFERRED", True),
        ("sslmode=require", True),
        ("ssl_mode=REQUIRED", True),
        ("sslmode=verify-full&sslrootcert={}", True),
        ("ssl-mode=VERIFY_IDENTITY&ssl-ca={}", True),
        ("ssl_ca={}", True),
    ],
)
def test_tls_is_used_as_the_url_asks(
    secure_url: str, certificate: Path, options: str, over_tls: bool
) -> None:
    assert encrypted(f"{secure_url}?{options.format(certificate)}") is over_tls


@pytest.mark.parametrize(
    "options",
    [
        "sslmode=verify-full",
        "sslmode=verify-ca&sslrootcert={}",
        "ssl-mode=VERIFY_CA&ssl-ca={}",
        "ssl_mode=required&ssl_ca={}",
    ],
)
def test_a_server_without_a_trusted_certificate_is_refused(
    secure_url: str, tmp_path: Path, options: str
) -> None:
    other = write_certificate(tmp_path / "other.pem")
    with pytest.raises(DatabaseUnavailable):
        encrypted(f"{secure_url}?{options.format(other)}")


def test_the_host_name_is_verified_if_the_url_asks(secure_url: str, certificate: Path) -> None:
    renamed = secure_url.replace("127.0.0.1", "localhost")
    assert encrypted(f"{renamed}?sslmode=verify-ca&sslrootcert={certificate}")
    with pytest.raises(DatabaseUnavailable):
        encrypted(f"{renamed}?sslmode=verify-full&sslrootcert={certificate}")


@pytest.fixture(scope="module")
def open_url() -> Iterator[str]:
    """The URL of a server without TLS."""
    own = KINDS[server().name]()
    assert isinstance(own, OwnServer)
    with own:
        own.create("keystead")
        yield own.url("keystead")


def test_a_server_without_tls_is_refused_if_the_url_requires_it(open_url: str) -> None:
    assert not encrypted(open_url)
    assert not encrypted(f"{open_url}?sslmode=prefer")
    with pytest.raises(DatabaseUnavailable):
        encrypted(f"{open_url}?sslmode=require")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder whose files for PostgreSQL are unusable: to read one raises an error."""
    (tmp_path / ".postgresql").mkdir()
    for name in ("postgresql.crt", "postgresql.key", "root.crt", "root.crl"):
        (tmp_path / ".postgresql" / name).write_text("no certificate")
    os.mkfifo(tmp_path / ".pgpass")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.only("postgres")
@pytest.mark.parametrize("options", ["", "?sslmode=prefer", "?sslmode=allow"])
def test_nothing_is_read_from_the_home_folder(
    secure_url: str, open_url: str, home: Path, options: str
) -> None:
    assert encrypted(f"{secure_url}{options}")
    assert not encrypted(f"{open_url}{options}")


@pytest.mark.only("postgres")
def test_a_client_certificate_is_read_from_where_the_url_says(
    secure_url: str, certificate: Path, home: Path
) -> None:
    assert encrypted(f"{secure_url}?sslmode=prefer&sslcert={certificate}&sslkey={certificate}")
    with pytest.raises(ValueError, match="certificates that cannot be read"):
        encrypted(f"{secure_url}?sslmode=prefer&sslcert={home}/.postgresql/postgresql.crt")
