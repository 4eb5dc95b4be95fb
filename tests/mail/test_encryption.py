"""Mail servers' passwords and certificates."""

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest

from app.mail.transports import MailServerUnavailable, SMTPTransport
from tests.mail.office import open_office
from tests.mail.smtp import PASSWORD, USERNAME, Postmaster, smtp_server

# Independent of the database.
pytestmark = pytest.mark.only("sqlite")

LOGIN = f"{USERNAME}:{quote(PASSWORD, safe='')}"
SENT = {"sent": 1, "dropped": 0, "failed": 0}
FAILED = {"sent": 0, "dropped": 0, "failed": 1}


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The certificate, trusted by this machine."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return certificate


async def deliver_one(desk: Path, mail_url: str, expected: dict[str, int]) -> str | None:
    """Try to deliver a letter once; return the stored error."""
    async with open_office(desk, mail_url) as office:
        await office.letters(1)
        assert await office.deliver() == expected
        row = await office.row()
        assert row.state == ("sent" if expected == SENT else "waiting")
        return row.error


async def check(url: str) -> None:
    """Connect and authenticate."""
    transport = SMTPTransport(url)
    try:
        await transport.check()
    finally:
        await transport.aclose()


def test_a_password_is_sent_to_loopback_without_tls(desk: Path) -> None:
    async def run() -> None:
        async with smtp_server(Postmaster(), auth_require_tls=False) as server:
            await deliver_one(desk, f"smtp://{LOGIN}@127.0.0.1:{server.port}", SENT)
            assert server.passwords == [PASSWORD.encode()]
            assert server.taken[0].authenticated
            assert not server.taken[0].over_tls

    asyncio.run(run())


def test_a_wrong_password_loses_nothing(desk: Path) -> None:
    async def run() -> None:
        async with smtp_server(Postmaster(), auth_require_tls=False) as server:
            mail_url = f"smtp://{USERNAME}:wrong@127.0.0.1:{server.port}"
            error = await deliver_one(desk, mail_url, FAILED)
            assert "535" in str(error) or "Authentication" in str(error)
            assert "wrong" not in str(error)
            assert server.taken == []

    asyncio.run(run())


def test_no_password_is_sent_to_another_host_without_tls() -> None:
    async def run() -> None:
        async with smtp_server(Postmaster(), auth_require_tls=False) as server:
            await check(f"smtp://{LOGIN}@localhost:{server.port}")
            assert len(server.passwords) == 1
            for elsewhere in ("127.1", "0.0.0.0"):
                with pytest.raises(MailServerUnavailable, match="STARTTLS"):
                    await check(f"smtp://{LOGIN}@{elsewhere}:{server.port}")
            assert len(server.passwords) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    "host",
    ["smtp.camelot.bt", "localhost.camelot.bt", "127.0.0.1.camelot.bt", "192.0.2.1", "[::2]"],
)
@pytest.mark.parametrize("port", ["", ":25", ":587"])
def test_starttls_is_not_optional_with_a_password(host: str, port: str) -> None:
    client = SMTPTransport(f"smtp://{LOGIN}@{host}{port}")._client
    assert client._start_tls_on_connect is True
    assert client.validate_certs
    assert not client.use_tls


def test_smtps_is_encrypted_from_the_first_byte() -> None:
    client = SMTPTransport(f"smtps://{LOGIN}@smtp.camelot.bt")._client
    assert client.use_tls
    assert client.validate_certs


def test_starttls_comes_before_the_password(desk: Path, trusted: Path) -> None:
    async def run() -> None:
        server = Postmaster()
        async with smtp_server(server, certificate=trusted, starttls=True, require_starttls=True):
            await deliver_one(desk, f"smtp://{LOGIN}@127.0.0.1:{server.port}", SENT)
            assert server.passwords == [PASSWORD.encode()]
            assert server.taken[0].over_tls

    asyncio.run(run())


def test_starttls_is_used_where_it_is_offered(desk: Path, trusted: Path) -> None:
    async def run() -> None:
        async with smtp_server(Postmaster(), certificate=trusted, starttls=True) as server:
            await deliver_one(desk, f"smtp://127.0.0.1:{server.port}", SENT)
            assert server.taken[0].over_tls

    asyncio.run(run())


def test_smtps_with_a_password(desk: Path, trusted: Path) -> None:
    async def run() -> None:
        server = Postmaster()
        async with smtp_server(server, certificate=trusted, auth_require_tls=False):
            await deliver_one(desk, f"smtps://{LOGIN}@127.0.0.1:{server.port}", SENT)
            assert server.taken[0].authenticated

    asyncio.run(run())


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_an_untrusted_certificate_is_refused(desk: Path, certificate: Path, scheme: str) -> None:
    async def run() -> None:
        server = Postmaster()
        async with smtp_server(server, certificate=certificate, starttls=scheme == "smtp"):
            mail_url = f"{scheme}://{LOGIN}@127.0.0.1:{server.port}"
            with pytest.raises(MailServerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await check(mail_url)
            error = await deliver_one(desk, mail_url, FAILED)
            assert "CERTIFICATE_VERIFY_FAILED" in str(error)
            assert (server.passwords, server.taken) == ([], [])

    asyncio.run(run())


def test_a_certificate_for_another_host_is_refused(trusted: Path) -> None:
    async def run() -> None:
        async with smtp_server(Postmaster(), certificate=trusted) as server:
            with pytest.raises(MailServerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await check(f"smtps://{LOGIN}@localhost:{server.port}")
            assert server.passwords == []

    asyncio.run(run())
