"""Messages as the mail server receives them."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from app import clock
from app.ids import new_id
from app.mail.letters import Letter
from app.mail.messages import _templates, write_message
from app.mail.transports import SMTPTransport
from app.users.emails import parse_email
from app.users.letters import RESET, VERIFY
from app.users.tables import User
from tests.databases import in_database
from tests.mail.office import Office, open_office
from tests.mail.smtp import Postmaster, Taken, smtp_server
from tests.service import make_environment, settings_from, text_of, token_in

BASE_URL = "https://round-table.camelot.bt"
SENDER = "The Round Table <table@camelot.bt>"


def send(
    desk: Path, letter: str, address: str | None = None, base_url: str = BASE_URL
) -> tuple[Taken, User]:
    """Return a letter as the server received it, and its account."""

    async def run() -> tuple[Taken, User]:
        settings = {"base_url": base_url, "mail_from": SENDER}
        async with (
            smtp_server(Postmaster()) as server,
            open_office(desk, f"smtp://127.0.0.1:{server.port}", **settings) as office,
        ):
            person = await office.person(address)
            await office.enqueue(person.email, letter=letter)
            assert await office.deliver() == {"sent": 1, "dropped": 0, "failed": 0}
            [taken] = server.taken
            row = await office.row()
            assert (row.state, row.attempts, row.error) == ("sent", 1, None)
            assert row.finished_at is not None
            assert taken.message["Message-ID"] == f"<{row.id.hex}@camelot.bt>"
            return taken, person

    return asyncio.run(run())


WORDS = {
    "ASCII": "2 hours",
    "Latin": "zwölf Stunden",
    "Greek": "δύο ώρες",
    "emoji": "two \U0001f570\ufe0f",
    "a long line": "h" * 2_000,
    "a long line beyond ASCII": "ώ" * 2_000,
}


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("eight_bits", [True, False])
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_letter_in_any_language_arrives_with_its_link_whole(
    desk: Path, words: str, eight_bits: bool
) -> None:
    link = f"{BASE_URL}/verify?token={'eyJ' * 200}"
    context = {"base_url": BASE_URL, "link": link, "token": "eyJ", "lifetime": words}
    letter = Letter("galahad@camelot.bt", f"In {words[:20]}", "verify", context)
    settings = settings_from(make_environment(desk, mail_from="Ταβέρνα <table@camelot.bt>"))
    message = write_message(settings, letter, new_id())

    async def run() -> Taken:
        async with smtp_server(Postmaster(), enable_SMTPUTF8=eight_bits) as server:
            transport = SMTPTransport(f"smtp://127.0.0.1:{server.port}")
            await transport.send(message)
            await transport.aclose()
            [taken] = server.taken
            return taken

    for received in (
        asyncio.run(run()).message,
        message_from_bytes(message.as_bytes(), policy=default),
    ):
        assert received["Subject"] == letter.subject
        assert received["From"].addresses[0].display_name == "Ταβέρνα"
        for kind in ("plain", "html"):
            part = received.get_body((kind,))
            assert isinstance(part, EmailMessage)
            assert words in part.get_content()
            assert link in part.get_content()
            assert all(len(line) <= 998 for line in part.as_bytes().splitlines())


@pytest.mark.only("sqlite")
def test_a_letter_of_ones_own_has_a_button_for_its_link_and_needs_neither() -> None:
    """As in docs/tick.md: the context of a letter has what its templates name."""
    own = _templates().from_string(
        '{% extends "layout.html" %}{% block letter %}{{ name }}{% endblock %}'
        "{% block action %}Open{% endblock %}"
    )
    assert "href" not in own.render(name="Galahad")
    with_link = own.render(name="Galahad", link="https://x.bt/y")
    assert with_link.count('href="https://x.bt/y"') == 2
    assert "token" not in with_link
    assert ">eyJ</code>" in own.render(name="Galahad", link="https://x.bt/y", token="eyJ")


@pytest.mark.only("sqlite")
def test_headers(desk: Path) -> None:
    taken, person = send(desk, VERIFY)
    message = taken.message
    assert taken.recipient == person.email
    assert message["From"] == SENDER
    assert message["To"] == person.email
    assert message["Subject"] == "Confirm your e-mail address"
    assert message["Auto-Submitted"] == "auto-generated"
    assert clock.now() - parsedate_to_datetime(message["Date"]) < timedelta(minutes=1)
    for name in ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"):
        assert message.keys().count(name) == 1


@pytest.mark.only("sqlite")
def test_subject_of_a_reset(desk: Path) -> None:
    taken, _ = send(desk, RESET)
    assert taken.message["Subject"] == "Choose a new password"


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("letter", [VERIFY, RESET])
def test_link_and_token_are_unbroken_lines_of_the_text(desk: Path, letter: str) -> None:
    taken, _ = send(desk, letter)
    token = token_in(taken.message)
    link = f"{BASE_URL}/{letter}?token={token}"
    lines = taken.content.decode("ascii").split("\r\n")
    assert lines.count(token) == 1
    assert lines.count(link) == 1
    assert parse_qs(urlsplit(link).query) == {"token": [token]}


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("letter", [VERIFY, RESET])
def test_html_has_the_same_link_and_token(desk: Path, letter: str) -> None:
    taken, _ = send(desk, letter)
    token = token_in(taken.message)
    content = taken.content.decode("ascii")
    assert f'href="{BASE_URL}/{letter}?token={token}"' in content
    assert f">{token}</code>" in content


@pytest.mark.only("sqlite")
def test_text_comes_before_html(desk: Path) -> None:
    taken, _ = send(desk, VERIFY)
    message = taken.message
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert "24 hours" in text_of(message)


def claims(office: Office, letter: str, token: str) -> Mapping[str, str]:
    found = office.resources.signer.verify(letter, token)
    assert found is not None
    return found


def with_office(desk: Path, look: Callable[[Office], None]) -> None:
    async def run() -> None:
        async with open_office(desk, "console:") as office:
            look(office)

    asyncio.run(run())


@pytest.mark.parametrize("letter", [VERIFY, RESET])
def test_token_is_of_the_account_and_for_that_letter_alone(desk: Path, letter: str) -> None:
    taken, person = send(desk, letter)
    token = token_in(taken.message)

    def look(office: Office) -> None:
        assert claims(office, letter, token)["sub"] == str(person.id)
        other = ({VERIFY, RESET} - {letter}).pop()
        assert office.resources.signer.verify(other, token) is None

    with_office(desk, look)


def test_the_outbox_holds_no_token(desk: Path) -> None:
    taken, _ = send(desk, VERIFY)
    rows = in_database(desk, "SELECT * FROM mail_message")
    assert len(rows) == 1
    assert token_in(taken.message) not in str(rows)


@pytest.mark.parametrize(
    "letter",
    [
        VERIFY,
        RESET,
    ],
)
def test_the_longest_address_gets_its_letters(desk: Path, letter: str) -> None:
    longest = "a" * 64 + "@" + ".".join(["b" * 61] * 3) + ".bt"
    taken, person = send(desk, letter, parse_email(longest))
    assert taken.recipient == person.email == longest
    assert token_in(taken.message) in taken.content.decode("ascii")


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("letter", [VERIFY, RESET])
def test_an_internationalized_domain_is_sent_to_in_ascii(desk: Path, letter: str) -> None:
    taken, person = send(desk, letter, "arthur@bücher.bt")
    assert person.email == "arthur@bücher.bt"
    assert taken.recipient == taken.message["To"] == "arthur@xn--bcher-kva.bt"


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("letter", [VERIFY, RESET])
def test_a_base_url_in_another_script(desk: Path, letter: str) -> None:
    taken, _ = send(desk, letter, base_url="https://bücher.bt")
    assert f"/{letter}?token={token_in(taken.message)}" in text_of(taken.message)
