"""Mail relays: the name that greets them, and certificates of their own."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from tests.mail.office import open_office
from tests.mail.smtp import (
    PASSWORD,
    DeclinesTLS,
    FailsTLS,
    Postmaster,
    smtp_server,
    write_certificate,
)
from tests.mail.test_encryption import FAILED, LOGIN, SENT
from tests.service import make_environment, run_command

# Independent of the database.
pytestmark = pytest.mark.only("sqlite")


async def deliver(desk: Path, mail_url: str, expected: dict[str, int], **settings: str) -> str:
    """Try to deliver a letter once; return the stored errors."""
    async with open_office(desk, mail_url, **settings) as office:
        await office.letters(1)
        assert await office.deliver() == expected
        return " ".join(str(row.error) for row in await office.rows())


NAMES: list[tuple[dict[str, str], str]] = [
    ({"base_url": "https://id.camelot.bt/accounts"}, "id.camelot.bt"),
    ({"base_url": "https://id.camelot.bt.:8443"}, "id.camelot.bt"),
    ({"base_url": "https://bücher.example"}, "xn--bcher-kva.example"),
    ({}, "[127.0.0.1]"),
    ({"base_url": "http://localhost:8080"}, "[127.0.0.1]"),
    ({"base_url": "http://192.0.2.7"}, "[192.0.2.7]"),
    ({"base_url": "http://[2001:db8::7]:80"}, "[IPv6:2001:db8::7]"),
    ({"mail_ehlo": "out.camelot.bt"}, "out.camelot.bt"),
    ({"mail_ehlo": "192.0.2.8"}, "[192.0.2.8]"),
    ({"mail_ehlo": "2001:db8::8"}, "[IPv6:2001:db8::8]"),
    ({"mail_ehlo": "[192.0.2.8]"}, "[192.0.2.8]"),
    ({"mail_ehlo": "[IPv6:2001:db8::8]"}, "[IPv6:2001:db8::8]"),
]


def test_a_mail_server_is_greeted_by_name(desk: Path, certificate: Path) -> None:
    """Before and after STARTTLS. RFC 5321, section 4.1.4."""

    async def run() -> None:
        async with smtp_server(Postmaster(), certificate=certificate, starttls=True) as server:
            for settings, name in NAMES:
                await deliver(desk, f"smtp://127.0.0.1:{server.port}", SENT, **settings)
                assert server.names[-2:] == [name, name]
            assert len(server.names) == 2 * len(NAMES)

    asyncio.run(run())


@pytest.mark.parametrize("name", ["two words", "-a.bt", "a..b", "é.bt", "id.camelot.bt\r\nQUIT"])
def test_a_name_that_no_host_has_is_refused(folder: Path, name: str) -> None:
    said = run_command(make_environment(folder, mail_ehlo=name), "check", code=1)
    assert "KEYSTEAD_MAIL_EHLO" in said


def test_a_relay_without_a_password_may_have_any_certificate(desk: Path, certificate: Path) -> None:
    """TLS that anyone may answer is better than none, which is as easy to have (RFC 7435)."""

    async def run() -> None:
        for host in ("127.0.0.1", "localhost"):
            async with smtp_server(Postmaster(), certificate=certificate, starttls=True) as server:
                await deliver(desk, f"smtp://{host}:{server.port}", SENT)
                assert server.taken[0].over_tls

    asyncio.run(run())


@pytest.mark.parametrize("kind", [DeclinesTLS, FailsTLS])
def test_a_relay_whose_tls_fails_gets_mail_without_it(
    desk: Path, certificate: Path, kind: type[SMTP]
) -> None:
    async def run() -> None:
        server = Postmaster()
        async with smtp_server(server, kind, certificate=certificate, starttls=True):
            url = f"127.0.0.1:{server.port}"
            await deliver(desk, f"smtp://{url}", SENT)
            assert not server.taken.pop().over_tls

    asyncio.run(run())


@pytest.mark.parametrize("kind", [DeclinesTLS, FailsTLS])
@pytest.mark.parametrize(("login", "settings"), [(f"{LOGIN}@", {}), ("", {"mail_verify": "true"})])
def test_tls_that_is_needed_is_not_left_out(
    desk: Path, certificate: Path, kind: type[SMTP], login: str, settings: dict[str, str]
) -> None:
    async def run() -> None:
        server = Postmaster()
        async with smtp_server(server, kind, certificate=certificate, starttls=True):
            await deliver(desk, f"smtp://{login}127.0.0.1:{server.port}", FAILED, **settings)
            assert (server.taken, server.passwords) == ([], [])

    asyncio.run(run())


@pytest.mark.parametrize(
    ("scheme", "login"), [("smtp", ""), ("smtp", f"{LOGIN}@"), ("smtps", "")], ids=str
)
def test_a_relays_own_authority(desk: Path, certificate: Path, scheme: str, login: str) -> None:
    """Also `smtps://` without a password is verified: it was asked for."""

    async def run(expected: dict[str, int], **settings: Any) -> str:
        server = Postmaster()
        options: dict[str, Any] = {"starttls": scheme == "smtp", "auth_require_tls": False}
        async with smtp_server(server, certificate=certificate, **options):
            url = f"{scheme}://{login}127.0.0.1:{server.port}"
            error = await deliver(desk, url, expected, **settings)
            assert server.passwords == ([PASSWORD.encode()] if login and expected == SENT else [])
            assert len(server.taken) == expected["sent"]
            assert scheme == "smtps" or all(one.over_tls for one in server.taken)
            return error

    other = write_certificate(desk / "other.pem")
    asyncio.run(run(SENT, mail_ca_file=str(certificate)))
    asyncio.run(run(SENT, mail_verify="false"))
    for settings in ({"mail_ca_file": str(other)}, {"mail_verify": "true"}):
        error = asyncio.run(run(FAILED, **settings))
        assert "CERTIFICATE_VERIFY_FAILED" in error
        assert "KEYSTEAD_MAIL_CA_FILE" in error


@pytest.mark.parametrize("settings", [{"mail_verify": "true"}, {"mail_ca_file": "{}"}])
def test_a_verified_relay_must_offer_tls(
    desk: Path, certificate: Path, settings: dict[str, str]
) -> None:
    """Who removes the offer would read the mail."""

    async def run() -> None:
        given = {name: value.format(certificate) for name, value in settings.items()}
        async with smtp_server(Postmaster()) as server:
            error = await deliver(desk, f"smtp://127.0.0.1:{server.port}", FAILED, **given)
            assert "STARTTLS" in error
            assert server.taken == []

    asyncio.run(run())


def test_a_password_needs_tls_also_where_no_certificate_is_verified(desk: Path) -> None:
    async def run() -> None:
        async with smtp_server(Postmaster(), auth_require_tls=False) as server:
            url = f"smtp://{LOGIN}@127.1:{server.port}"
            assert "STARTTLS" in await deliver(desk, url, FAILED, mail_verify="false")
            assert server.passwords == []

    asyncio.run(run())


def test_an_authority_that_cannot_be_used_is_refused(folder: Path, certificate: Path) -> None:
    (folder / "empty.pem").touch()
    for given in (
        {"mail_ca_file": str(folder / "none.pem")},
        {"mail_ca_file": str(folder / "empty.pem")},
        {"mail_ca_file": str(folder)},
        {"mail_ca_file": str(certificate), "mail_verify": "false"},
    ):
        said = run_command(make_environment(folder, **given), "check", code=1)
        assert "KEYSTEAD_MAIL_CA_FILE" in said
        assert "Traceback" not in said
