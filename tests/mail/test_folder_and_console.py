"""Mail to a folder and to the console."""

import asyncio
import io
import sys
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path

import pytest

from app.ids import new_id
from app.mail.letters import Letter
from app.mail.messages import write_message
from app.mail.transports import ConsoleTransport, FolderTransport, MailServerUnavailable
from tests.mail.office import Office, open_office
from tests.service import read_message, token_in

# Independent of the database.
pytestmark = pytest.mark.only("sqlite")

FAILED = {"sent": 0, "dropped": 0, "failed": 1}


def test_a_file_for_each_message_and_no_drafts(desk: Path) -> None:
    async def run() -> None:
        async with open_office(desk, f"file:{desk}/mail") as office:
            addresses = await office.letters(3)
            assert await office.deliver() == {"sent": 3, "dropped": 0, "failed": 0}
            files = {path.name: path for path in (desk / "mail").iterdir()}
            rows = await office.rows()
            assert set(files) == {f"{row.id.hex}.eml" for row in rows}
            messages = [read_message(files[f"{row.id.hex}.eml"]) for row in rows]
            assert [message["To"] for message in messages] == addresses
            for message in messages:
                token = token_in(message)
                content = files[message["Message-ID"][1:33] + ".eml"].read_text()
                assert token in content.splitlines()

    asyncio.run(run())


@pytest.mark.parametrize("prefix", ["file:", "file://"])
def test_both_spellings_of_a_file_url(desk: Path, prefix: str) -> None:
    async def run() -> None:
        async with open_office(desk, f"{prefix}{desk}/deep/er") as office:
            await office.letters(1)
            await office.deliver()
            assert len(list((desk / "deep" / "er").glob("*.eml"))) == 1

    asyncio.run(run())


def test_sent_again_a_message_replaces_itself(desk: Path) -> None:
    async def run() -> None:
        async with open_office(desk, f"file:{desk}/mail") as office:
            message = write(office)
            folder = FolderTransport(desk / "mail")
            for _ in range(2):
                await folder.send(message)
            [path] = (desk / "mail").iterdir()
            assert path.read_bytes().splitlines() == message.as_bytes().splitlines()

    asyncio.run(run())


def test_an_unusable_folder_keeps_the_mail_in_the_outbox(desk: Path) -> None:
    async def run() -> None:
        (desk / "mail").write_text("a file")
        async with open_office(desk, f"file:{desk}/mail") as office:
            await office.letters(2)
            assert await office.deliver() == FAILED
            row = (await office.rows())[0]
            assert (row.state, row.attempts) == ("waiting", 1)
            assert "cannot write to" in str(row.error)
            with pytest.raises(MailServerUnavailable):
                await FolderTransport(desk / "mail").check()

    asyncio.run(run())


def test_a_failed_write_leaves_no_draft(desk: Path) -> None:
    async def run() -> None:
        async with open_office(desk, f"file:{desk}/mail") as office:
            await office.letters(1)
            in_the_way = desk / "mail" / f"{(await office.row()).id.hex}.eml"
            in_the_way.mkdir(parents=True)
            assert await office.deliver() == FAILED
            assert list((desk / "mail").iterdir()) == [in_the_way]

    asyncio.run(run())


def test_console_prints_the_message(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        async with open_office(desk, "console:") as office:
            [address] = await office.letters(1)
            assert await office.deliver() == {"sent": 1, "dropped": 0, "failed": 0}
            printed = capsys.readouterr().out
            assert f"To: {address}" in printed.splitlines()
            assert "The token by itself, for POST /auth/verify:" in printed.splitlines()

    asyncio.run(run())


def test_console_prints_every_script(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        async with open_office(desk, "console:") as office:
            await ConsoleTransport().send(write(office, "ланселот@camelot.bt"))
        assert "To: ланселот@camelot.bt" in capsys.readouterr().out

    asyncio.run(run())


def write(office: Office, address: str = "king@camelot.bt") -> EmailMessage:
    words = {"base_url": "http://b", "link": "http://b/l", "token": "t", "lifetime": "1 day"}
    letter = Letter(address, "A subject", "verify", words)
    return write_message(office.resources.settings, letter, new_id())


def test_a_console_replaces_what_its_encoding_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    message = EmailMessage(SMTPUTF8)
    message["To"] = "кинг@camelot.bt"
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    asyncio.run(ConsoleTransport().send(message))
    assert b"To: ????@camelot.bt" in written.getvalue()
