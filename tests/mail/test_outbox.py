"""Delivery: retries and their pauses, concurrent processes, recipients."""

import asyncio
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import update

from app import clock
from app.database.statements import database_now
from app.logs import configure_logging
from app.mail import delivery, outbox, transports
from app.mail.delivery import MAX_ATTEMPTS, pause
from app.mail.outbox import KEEP_DAYS
from app.mail.tables import MailMessage
from app.mail.transports import SMTPTransport
from app.users.database import UserDatabase
from app.users.letters import RESET, VERIFY
from app.users.tables import User
from tests.mail.office import Office, open_office
from tests.mail.smtp import BUSY, UNKNOWN, Postmaster, Slow, smtp_server
from tests.service import make_environment, new_address

SENT = {"sent": 1, "dropped": 0, "failed": 0}
DROPPED = {"sent": 0, "dropped": 1, "failed": 0}
FAILED = {"sent": 0, "dropped": 0, "failed": 1}
NOTHING = {"sent": 0, "dropped": 0, "failed": 0}


def office_for(desk: Path, server: Postmaster) -> AbstractAsyncContextManager[Office]:
    return open_office(desk, f"smtp://127.0.0.1:{server.port}")


def with_server(desk: Path, test: Callable[[Postmaster, Office], Awaitable[None]]) -> None:
    """Run `test` with a server and an office that sends to it."""

    async def run() -> None:
        async with smtp_server(Postmaster()) as server, office_for(desk, server) as office:
            await test(server, office)

    asyncio.run(run())


def seconds(attempts: int) -> list[float]:
    return [pause(attempts).total_seconds() for _ in range(200)]


def test_pauses_double_from_15_seconds_to_an_hour() -> None:
    expected = [15, 30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]
    for attempts, least in enumerate(expected, start=1):
        assert all(least <= paused <= 1.25 * least for paused in seconds(attempts))
    assert max(seconds(MAX_ATTEMPTS)) <= 1.25 * 3_600


def test_pauses_are_spread() -> None:
    spread = seconds(1)
    assert len(set(spread)) > 100
    assert max(spread) - min(spread) > 2


def test_a_message_is_tried_for_about_a_day() -> None:
    tried_for = sum((pause(attempts) for attempts in range(1, MAX_ATTEMPTS)), timedelta())
    assert timedelta(hours=20) < tried_for < timedelta(hours=28)


def test_the_next_try_is_after_the_pause(desk: Path) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        [address] = await office.letters(1)
        server.refused[address] = UNKNOWN
        for attempts, least in ((1, 15), (2, 30), (3, 60)):
            before = clock.now()
            assert await office.deliver() == FAILED
            row = await office.row()
            assert row.attempts == attempts
            assert row.due_at - before > timedelta(seconds=least - 1)
            assert row.due_at - clock.now() < timedelta(seconds=1.25 * least + 1)
            await office.make_due()

    with_server(desk, test)


def test_after_the_last_try_it_is_dead_and_kept_with_its_error(desk: Path) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        [address] = await office.letters(1)
        server.refused[address] = UNKNOWN
        await office.set_attempts(MAX_ATTEMPTS - 2)
        assert await office.deliver() == FAILED
        assert (await office.row()).state == "waiting"
        await office.make_due()
        server.refused[address] = BUSY
        assert await office.deliver() == FAILED
        row = await office.row()
        assert (row.state, row.attempts) == ("dead", MAX_ATTEMPTS)
        assert row.finished_at is not None
        assert BUSY[4:] in str(row.error)
        server.refused.clear()
        assert await office.deliver() == NOTHING
        assert server.taken == []

    with_server(desk, test)


def test_two_simultaneous_deliveries_send_each_message_once(desk: Path) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        addresses = await office.letters(50)
        counts = await asyncio.gather(office.deliver(), office.deliver())
        assert server.recipients() == Counter(addresses)
        assert sum(count["sent"] for count in counts) == 50
        assert server.greeted == 2
        rows = await office.rows()
        assert {(row.state, row.attempts) for row in rows} == {("sent", 1)}

    with_server(desk, test)


def test_a_stopping_process_starts_no_other_message(desk: Path) -> None:
    async def run() -> None:
        async with smtp_server(slow := Slow()), office_for(desk, slow) as office:
            addresses = await office.letters(2)
            delivering = asyncio.create_task(office.deliver())
            await asyncio.wait_for(slow.reached.wait(), 10)
            office.resources.stopping.set()
            slow.go_on.set()
            assert await delivering == SENT
            assert await office.states() == dict(zip(addresses, ["sent", "waiting"], strict=True))

    asyncio.run(run())


def test_a_message_being_sent_is_leased(desk: Path) -> None:
    async def run() -> None:
        async with smtp_server(slow := Slow()), office_for(desk, slow) as office:
            await office.letters(1)
            first = asyncio.create_task(office.deliver())
            await asyncio.wait_for(slow.reached.wait(), 10)
            assert await office.deliver() == NOTHING
            row = await office.row()
            assert (row.state, row.attempts) == ("waiting", 1)
            assert row.due_at > clock.now() + timedelta(seconds=outbox.SEND_SECONDS)
            slow.go_on.set()
            assert await first == SENT
            assert (await office.row()).state == "sent"

    asyncio.run(run())


def test_a_message_postponed_by_a_clock_that_was_ahead_is_sent(desk: Path) -> None:
    async def run() -> None:
        async with smtp_server(taker := Postmaster()), office_for(desk, taker) as office:
            await office.letters(1)
            async with office.resources.database.transaction() as session:
                due = await database_now(session) + timedelta(days=30)
                await session.execute(update(MailMessage).values(due_at=due))
            assert await office.deliver() == SENT

    asyncio.run(run())


def test_a_delivery_that_lost_its_lease_changes_nothing(desk: Path) -> None:
    async def run() -> None:
        async with smtp_server(slow := Slow(BUSY)), office_for(desk, slow) as office:
            [address] = await office.letters(1)
            first = asyncio.create_task(office.deliver())
            await asyncio.wait_for(slow.reached.wait(), 10)
            await office.make_due()
            slow.refused[address] = UNKNOWN
            assert await office.deliver() == FAILED
            second = await office.row()
            slow.go_on.set()
            assert await first == FAILED
            row = await office.row()
            assert (row.state, row.attempts) == ("waiting", 2)
            assert (row.error, row.due_at) == (second.error, second.due_at)
            assert UNKNOWN[4:] in str(row.error)

    asyncio.run(run())


def test_a_server_that_is_too_slow_is_left_until_later(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with smtp_server(slow := Slow()), office_for(desk, slow) as office:
            addresses = await office.letters(3)
            with monkeypatch.context() as short:
                short.setattr(delivery, "SEND_SECONDS", 0.2)
                short.setattr(transports, "OPERATION_SECONDS", 0.5)
                assert await office.deliver() == FAILED
            assert [row.attempts for row in await office.rows()] == [1, 0, 0]
            assert "TimeoutError" in str((await office.rows())[0].error)
            await office.make_due()
            assert await office.deliver() == {"sent": 3, "dropped": 0, "failed": 0}
            assert slow.recipients() == Counter(addresses)

    asyncio.run(run())


class DiesAfterTheOk(SMTPTransport):
    """The process stops after the server has accepted the message."""

    async def send(self, message: EmailMessage) -> None:
        await super().send(message)
        raise asyncio.CancelledError


def test_a_message_stopped_between_ok_and_commit_is_sent_again_with_its_id(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        [address] = await office.letters(1)
        with monkeypatch.context() as patch:
            patch.setattr(
                delivery, "open_transport", lambda settings: DiesAfterTheOk(settings.mail_url)
            )
            with pytest.raises(asyncio.CancelledError):
                await office.deliver()
        await assert_sent_again(server, office, address)

    with_server(desk, test)


async def assert_sent_again(server: Postmaster, office: Office, address: str) -> None:
    row = await office.row()
    assert (row.state, row.attempts) == ("waiting", 1)
    assert row.due_at > clock.now()
    await office.make_due()
    assert await office.deliver() == SENT
    assert server.recipients() == Counter({address: 2})
    assert len(set(server.message_ids())) == 1
    assert (await office.row()).state == "sent"


class Killer(Postmaster):
    """Accepts the message and kills its sender."""

    victim = 0

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        if self.victim:
            os.kill(self.victim, signal.SIGKILL)
            self.victim = 0
        return answer


def test_a_message_of_a_killed_process_is_sent_again_with_its_id(desk: Path) -> None:
    async def run() -> None:
        async with smtp_server(killer := Killer()):
            mail_url = f"smtp://127.0.0.1:{killer.port}"
            async with open_office(desk, mail_url) as office:
                [address] = await office.letters(1)
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "app", "tick", "--job", "mail"),
                    env=make_environment(desk, mail_url=mail_url),
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                )
                killer.victim = process.pid
                assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL
                await assert_sent_again(killer, office, address)

    asyncio.run(run())


async def change(office: Office, person: User, **values: Any) -> None:
    async with office.resources.database.transaction() as session:
        store = UserDatabase(session)
        found = await store.get_locked(person.id)
        assert found is not None
        await store.update(found, values)


async def delete(office: Office, person: User) -> None:
    async with office.resources.database.transaction() as session:
        store = UserDatabase(session)
        found = await store.get_locked(person.id)
        assert found is not None
        await store.delete(found)


async def deactivate(office: Office, person: User) -> None:
    await change(office, person, is_active=False)


async def move(office: Office, person: User) -> None:
    await change(office, person, email=new_address())


async def verify(office: Office, person: User) -> None:
    await change(office, person, is_verified=True)


@pytest.mark.parametrize(
    ("letter", "meanwhile"),
    [
        (VERIFY, delete),
        (VERIFY, deactivate),
        (VERIFY, move),
        (VERIFY, verify),
        (RESET, delete),
        (RESET, deactivate),
        (RESET, move),
    ],
)
def test_a_letter_without_an_account_is_dropped(
    desk: Path, letter: str, meanwhile: Callable[[Office, User], Awaitable[None]]
) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        person = await office.person()
        await office.enqueue(person.email, letter=letter)
        await meanwhile(office, person)
        assert await office.deliver() == DROPPED
        assert (server.taken, server.greeted) == ([], 0)
        row = await office.row()
        assert (row.state, row.error) == ("dropped", None)
        assert row.finished_at is not None
        assert await office.deliver() == NOTHING

    with_server(desk, test)


def test_a_verified_account_may_reset_its_password(desk: Path) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        person = await office.person()
        await office.enqueue(person.email, letter=RESET)
        await verify(office, person)
        assert await office.deliver() == SENT
        assert server.recipients() == Counter({person.email: 1})

    with_server(desk, test)


@pytest.mark.parametrize("letter", [VERIFY, RESET])
@pytest.mark.parametrize(
    "typed",
    ["ﬁona@camelot.bt", "FIONA@CAMELOT.BT", "ｆｉｏｎａ@camelot.bt", "fiona@ｃamelot.bt"],
)
def test_mail_goes_to_the_stored_address_and_not_to_its_look_alike(
    desk: Path, letter: str, typed: str
) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        await office.person("fiona@camelot.bt")
        await office.enqueue(typed, letter=letter)
        assert await office.deliver() == SENT
        assert server.recipients() == Counter({"fiona@camelot.bt": 1})
        assert server.taken[0].message["To"] == "fiona@camelot.bt"

    with_server(desk, test)


def test_equal_letters_that_wait_are_sent_as_one(desk: Path) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        flooded, other = await office.person(), await office.person()
        await office.enqueue(*[flooded.email] * 25, letter=RESET)
        await office.enqueue(flooded.email, other.email)
        assert await office.deliver() == {"sent": 3, "dropped": 0, "failed": 0}
        assert server.recipients() == Counter({flooded.email: 2, other.email: 1})
        rows = await office.rows()
        assert Counter(row.state for row in rows) == {"sent": 3, "dropped": 24}
        assert all(row.finished_at is not None for row in rows)
        assert await office.deliver() == NOTHING

    with_server(desk, test)


def test_a_letter_asked_for_again_is_not_held_up_by_the_one_that_failed(desk: Path) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        [address] = await office.letters(1)
        server.refused[address] = BUSY
        assert await office.deliver() == FAILED
        server.refused.clear()
        async with office.resources.database.transaction() as session:
            outbox.Outbox(session, office.resources.mail_waiting).enqueue(VERIFY, address)
        assert await office.deliver() == SENT
        await office.make_due()
        assert await office.deliver() == NOTHING
        assert server.recipients() == Counter({address: 1})

    with_server(desk, test)


def test_a_letter_asked_for_while_one_is_being_sent_is_sent_too(desk: Path) -> None:
    async def run() -> None:
        async with smtp_server(slow := Slow()), office_for(desk, slow) as office:
            [address] = await office.letters(1)
            first = asyncio.create_task(office.deliver())
            await asyncio.wait_for(slow.reached.wait(), 10)
            async with office.resources.database.transaction() as session:
                outbox.Outbox(session, office.resources.mail_waiting).enqueue(VERIFY, address)
            slow.go_on.set()
            sent = (await first)["sent"] + (await office.deliver())["sent"]
            assert sent == 2
            assert slow.recipients() == Counter({address: 2})

    asyncio.run(run())


def test_the_last_attempt_of_a_letter_leaves_the_others(desk: Path) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        [address] = await office.letters(1)
        await office.set_attempts(MAX_ATTEMPTS - 1)
        await office.enqueue(address)
        server.refused[address] = UNKNOWN
        assert await office.deliver() == {"sent": 0, "dropped": 0, "failed": 2}
        assert [row.state for row in await office.rows()] == ["dead", "waiting"]

    with_server(desk, test)


def test_an_unknown_letter_waits_with_its_error(desk: Path) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        await office.enqueue((await office.person()).email, letter="from-the-next-release")
        [address] = await office.letters(1)
        assert await office.deliver() == {"sent": 1, "dropped": 0, "failed": 1}
        assert server.recipients() == Counter({address: 1})
        row = (await office.rows())[0]
        assert (row.state, row.attempts) == ("waiting", 1)
        assert "from-the-next-release" in str(row.error)

    with_server(desk, test)


def test_a_letter_that_cannot_be_written_delays_no_other(desk: Path) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        await office.enqueue((await office.person("imported@localhost")).email)
        others = await office.letters(3)
        counts = await office.deliver()
        assert counts["sent"] >= 3
        assert server.recipients() >= Counter(others)

    with_server(desk, test)


def test_a_rolled_back_transaction_enqueues_no_mail(desk: Path) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        async def register_and_fail() -> None:
            async with office.resources.database.transaction() as session:
                outbox.Outbox(session, office.resources.mail_waiting).enqueue(VERIFY, new_address())
                await session.flush()
                raise LookupError

        with pytest.raises(LookupError):
            await register_and_fail()
        assert not office.resources.mail_waiting.is_set()
        assert await office.rows() == []
        await office.letters(1)
        assert office.resources.mail_waiting.is_set()

    with_server(desk, test)


def test_purge_deletes_messages_finished_long_ago(desk: Path) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        await office.letters(3)
        sent, dead, waiting = await office.rows()
        old = clock.now() - timedelta(days=KEEP_DAYS, minutes=1)
        async with office.resources.database.transaction() as session:
            for row, values in (
                (sent, {"state": "sent", "finished_at": old}),
                (dead, {"state": "dead", "finished_at": old + timedelta(minutes=2)}),
                (waiting, {"created_at": old}),
            ):
                statement = update(MailMessage).where(MailMessage.id == row.id)
                await session.execute(statement.values(**values))
        async with office.resources.database.transaction() as session:
            assert await outbox.purge(session, 10) == 1
        assert {row.id for row in await office.rows()} == {dead.id, waiting.id}

    with_server(desk, test)


def test_the_log_names_messages_and_never_addresses(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def test(server: Postmaster, office: Office) -> None:
        configure_logging("INFO", as_json=False)
        [address] = await office.letters(1)
        server.refused[address] = f"550 5.1.1 <{address}> unknown"
        assert await office.deliver() == FAILED
        due = (await office.row()).due_at
        server.refused.clear()
        await office.make_due()
        await office.deliver()
        said = capsys.readouterr().err.splitlines()
        failed, sent = (line for line in said if re.search("mail (not )?sent", line))
        assert "mail not sent" in failed
        assert f"next_try={due.isoformat(timespec='seconds')}" in failed
        assert "<…> unknown" in failed
        assert "mail sent" in sent
        for line in (failed, sent):
            assert address.partition("@")[0] not in line

    with_server(desk, test)
