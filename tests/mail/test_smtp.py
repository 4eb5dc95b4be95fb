"""SMTP servers that accept some messages, all or none, or disconnect."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app import clock
from tests.mail.office import Office, open_office
from tests.mail.smtp import (
    BUSY,
    UNKNOWN,
    HangsUpAtOnce,
    HangsUpBeforeTheOk,
    HangsUpInData,
    Postmaster,
    smtp_server,
)
from tests.service import new_address

# Independent of the database.
pytestmark = pytest.mark.only("sqlite")


@pytest.fixture
def port() -> Iterator[int]:
    """A port without a listener, reserved for this test."""
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        kept: int = keeper.getsockname()[1]
        yield kept


@contextlib.asynccontextmanager
async def hanging_up_at_once(port: int) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    async with await loop.create_server(HangsUpAtOnce, "127.0.0.1", port):
        yield


def office_for(desk: Path, port: int) -> contextlib.AbstractAsyncContextManager[Office]:
    return open_office(desk, f"smtp://127.0.0.1:{port}")


async def assert_waiting_after_one_try(office: Office, error: str) -> None:
    waiting = [row for row in await office.rows() if row.attempts]
    assert len(waiting) == 1
    assert (waiting[0].state, waiting[0].attempts) == ("waiting", 1)
    assert waiting[0].due_at > clock.now() + timedelta(seconds=10)
    assert waiting[0].finished_at is None
    assert error in str(waiting[0].error)


def test_one_connection_sends_all_messages(desk: Path) -> None:
    async def run() -> None:
        async with (
            smtp_server(Postmaster()) as server,
            office_for(desk, server.port) as office,
        ):
            addresses = await office.letters(20)
            assert await office.deliver() == {"sent": 20, "dropped": 0, "failed": 0}
            assert [taken.recipient for taken in server.taken] == addresses
            assert len(set(server.message_ids())) == 20
            assert server.greeted == 1
            assert set((await office.states()).values()) == {"sent"}

    asyncio.run(run())


def test_without_due_mail_no_server_is_connected(desk: Path) -> None:
    async def run() -> None:
        async with smtp_server(Postmaster()) as server, office_for(desk, server.port) as office:
            assert await office.deliver() == {"sent": 0, "dropped": 0, "failed": 0}
            assert server.greeted == 0

    asyncio.run(run())


@pytest.mark.parametrize("answer", [UNKNOWN, BUSY])
def test_a_refused_recipient_waits_and_the_others_get_theirs(desk: Path, answer: str) -> None:
    async def run() -> None:
        async with smtp_server(Postmaster()) as server, office_for(desk, server.port) as office:
            addresses = await office.letters(5)
            refused = addresses[2]
            server.refused[refused] = answer
            assert await office.deliver() == {"sent": 4, "dropped": 0, "failed": 1}
            assert [taken.recipient for taken in server.taken] == [
                address for address in addresses if address != refused
            ]
            assert server.greeted == 1
            row = next(row for row in await office.rows() if row.address == refused)
            assert (row.state, row.attempts) == ("waiting", 1)
            assert row.due_at > clock.now() + timedelta(seconds=10)
            assert answer[4:] in str(row.error)

            assert await office.deliver() == {"sent": 0, "dropped": 0, "failed": 0}
            server.refused.clear()
            await office.make_due()
            assert await office.deliver() == {"sent": 1, "dropped": 0, "failed": 0}
            assert server.recipients() == Counter(addresses)
            row = next(row for row in await office.rows() if row.address == refused)
            assert (row.state, row.attempts, row.error) == ("sent", 2, None)

    asyncio.run(run())


def test_a_server_that_closes_with_421_is_unavailable(desk: Path) -> None:
    async def run() -> None:
        async with smtp_server(Postmaster()) as server, office_for(desk, server.port) as office:
            addresses = await office.letters(3)
            server.refused[addresses[0]] = "421 4.3.2 shutting down"
            assert await office.deliver() == {"sent": 0, "dropped": 0, "failed": 1}
            server.refused.clear()
            await office.make_due()
            assert await office.deliver() == {"sent": 3, "dropped": 0, "failed": 0}
            assert server.recipients() == Counter(addresses)

    asyncio.run(run())


def test_a_server_that_hangs_up_in_data_gets_it_all_later(desk: Path, port: int) -> None:
    async def run() -> None:
        server = Postmaster()
        async with office_for(desk, port) as office:
            addresses = await office.letters(3)
            async with smtp_server(server, HangsUpInData, port=port):
                assert await office.deliver() == {"sent": 0, "dropped": 0, "failed": 1}
            assert server.taken == []
            await assert_waiting_after_one_try(office, "hung up")
            await office.make_due()
            async with smtp_server(server, port=port):
                assert await office.deliver() == {"sent": 3, "dropped": 0, "failed": 0}
            assert server.recipients() == Counter(addresses)

    asyncio.run(run())


def test_a_server_that_hangs_up_at_once_gets_it_all_later(desk: Path, port: int) -> None:
    async def run() -> None:
        server = Postmaster()
        async with office_for(desk, port) as office:
            addresses = await office.letters(3)
            async with hanging_up_at_once(port):
                assert await office.deliver() == {"sent": 0, "dropped": 0, "failed": 1}
            await assert_waiting_after_one_try(office, f"127.0.0.1:{port}")
            await office.make_due()
            async with smtp_server(server, port=port):
                assert await office.deliver() == {"sent": 3, "dropped": 0, "failed": 0}
            assert server.recipients() == Counter(addresses)

    asyncio.run(run())


def test_every_try_has_the_same_message_id(desk: Path, port: int) -> None:
    async def run() -> None:
        server = Postmaster()
        async with office_for(desk, port) as office:
            [address] = await office.letters(1)
            async with smtp_server(server, HangsUpBeforeTheOk, port=port):
                assert await office.deliver() == {"sent": 0, "dropped": 0, "failed": 1}
            await assert_waiting_after_one_try(office, "hung up")
            await office.make_due()
            async with smtp_server(server, port=port):
                assert await office.deliver() == {"sent": 1, "dropped": 0, "failed": 0}
            assert server.recipients() == Counter({address: 2})
            assert len(set(server.message_ids())) == 1
            assert (await office.row()).attempts == 2

    asyncio.run(run())


def test_a_server_that_is_down_is_asked_once_and_gets_it_all_later(desk: Path, port: int) -> None:
    async def run() -> None:
        server = Postmaster()
        async with office_for(desk, port) as office:
            addresses = await office.letters(50)
            for failures in (1, 2, 3):
                assert await office.deliver() == {"sent": 0, "dropped": 0, "failed": 1}
                rows = await office.rows()
                assert {row.state for row in rows} == {"waiting"}
                assert sum(row.attempts for row in rows) == failures
            await office.make_due()
            async with smtp_server(server, port=port):
                assert await office.deliver() == {"sent": 50, "dropped": 0, "failed": 0}
                await office.make_due()
                assert await office.deliver() == {"sent": 0, "dropped": 0, "failed": 0}
            assert server.recipients() == Counter(addresses)
            assert set((await office.states()).values()) == {"sent"}

    asyncio.run(run())


def test_an_address_that_needs_smtputf8_gets_its_letter(desk: Path) -> None:
    async def run() -> None:
        address = f"gwenhwyfár-{new_address()}"
        async with (
            smtp_server(Postmaster(), enable_SMTPUTF8=True) as server,
            office_for(desk, server.port) as office,
        ):
            await office.enqueue((await office.person(address)).email)
            assert await office.deliver() == {"sent": 1, "dropped": 0, "failed": 0}
            assert server.recipients() == Counter({address: 1})
            assert server.taken[0].message["To"] == address

    asyncio.run(run())


def test_an_address_that_needs_smtputf8_waits_where_there_is_none(desk: Path) -> None:
    async def run() -> None:
        address = f"gwenhwyfár-{new_address()}"
        async with smtp_server(Postmaster()) as server, office_for(desk, server.port) as office:
            await office.enqueue((await office.person(address)).email)
            assert await office.deliver() == {"sent": 0, "dropped": 0, "failed": 1}
            assert server.taken == []
            await assert_waiting_after_one_try(office, "SMTPUTF8")

    asyncio.run(run())


def test_an_address_that_needs_smtputf8_does_not_keep_the_others_waiting(desk: Path) -> None:
    async def run() -> None:
        async with smtp_server(Postmaster()) as server, office_for(desk, server.port) as office:
            await office.enqueue((await office.person(f"é-{new_address()}")).email)
            others = await office.letters(3)
            assert await office.deliver() == {"sent": 3, "dropped": 0, "failed": 1}
            assert server.recipients() == Counter(others)

    asyncio.run(run())
